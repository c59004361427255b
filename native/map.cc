#include "map.h"

#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

namespace fb {
namespace {

// Threads of JavaScript add and remove regions while the handler, on any thread, looks for one. A slot's end is written last and
// erased first, so a range that is read with the same end before and after its beginning was in force at that time; and as long as a region
// is in use no range in force overlaps it.
struct Region {
  std::atomic<bool> taken{false};
  std::atomic<uintptr_t> begin{0}, end{0};
  // The page that was missing first, and the count of losses after the last.
  std::atomic<uintptr_t> missing{0};
  std::atomic<uint32_t> last{0};
  uintptr_t start = 0;
  LossCount* losses = nullptr;
};
constexpr int MaxRegions = 4096;
Region regions[MaxRegions];
std::atomic<int> used{0};

int find(uintptr_t p) {
  for (int i = 0, n = used.load(); i < n; i++) {
    Region& r = regions[i];
    uintptr_t end = r.end.load();
    if (p < end && p >= r.begin.load() && r.end.load() == end) return i;
  }
  return -1;
}

const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
// Zeros come for up to this much at a time: a kernel that walks a large file which is gone raises few signals, and the system's limit of
// mappings (65,530) is far. What lies behind the end of a file has gone with it, copies of its pages too.
constexpr uintptr_t Stretch = 2u << 20;

struct sigaction before;

void onBus(int number, siginfo_t* info, void* context) {
  int error = errno;
  uintptr_t p = (uintptr_t)info->si_addr;
  // A positive code: raised by the access itself, not sent by somebody.
  int i = info->si_code > 0 ? find(p) : -1;
  if (i >= 0) {
    Region& r = regions[i];
    uintptr_t from = p / page * page, to = (p / Stretch + 1) * Stretch, end = r.end.load();
    // On every system that has it mmap is one system call, which a handler may make.
    void* zeros = mmap((void*)from, (to < end ? to : end) - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros != MAP_FAILED) {
      uintptr_t none = 0;
      r.missing.compare_exchange_strong(none, from);
      r.last.store(r.losses->fetch_add(1) + 1);
      errno = error;
      return;
    }
  }
  errno = error;
  if (before.sa_flags & SA_SIGINFO) before.sa_sigaction(number, info, context);
  else if (before.sa_handler == SIG_DFL || (before.sa_handler == SIG_IGN && info->si_code > 0)) {
    // Raised again, by the same instruction or by hand, it ends the process as if there had been no handler.
    signal(number, SIG_DFL);
    if (info->si_code <= 0) raise(number);
  } else if (before.sa_handler != SIG_IGN) before.sa_handler(number);
}

// In force from the first mapping on, and for good: another handler may by then send what is not its own to this one. So the addon
// stays loaded when the thread that loaded it ends.
void install() {
  Dl_info addon;
  if (dladdr((void*)onBus, &addon)) dlopen(addon.dli_fname, RTLD_NOW);
  struct sigaction ours = {};
  ours.sa_sigaction = onBus;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGBUS, &ours, &before);
}
std::once_flag installed;

Region* take() {
  for (int i = 0; i < MaxRegions; i++) {
    if (regions[i].taken.exchange(true)) continue;
    for (int n = used.load(); n <= i && !used.compare_exchange_weak(n, i + 1);) {
    }
    return &regions[i];
  }
  return nullptr;
}

}  // namespace

int mapFile(int fd, size_t begin, size_t bytes, LossCount* losses) {
  struct stat s;
  if (bytes == 0 || fstat(fd, &s) != 0 || !S_ISREG(s.st_mode) || (size_t)s.st_size < begin + bytes) return -1;
  std::call_once(installed, install);
  Region* r = take();
  if (!r) return -1;
  size_t first = begin / page * page, size = begin - first + bytes;
  // The copies of pages that are written to are not set aside beforehand: a file may be larger than the memory.
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, (off_t)first);
  if (p == MAP_FAILED) {
    r->taken.store(false);
    return -1;
  }
  r->start = (uintptr_t)p + (begin - first);
  r->losses = losses;
  r->missing.store(0);
  r->last.store(0);
  r->begin.store((uintptr_t)p);
  r->end.store((uintptr_t)p + (size + page - 1) / page * page);
  return (int)(r - regions);
}

void unmapFile(int region) {
  Region& r = regions[region];
  uintptr_t end = r.end.exchange(0), begin = r.begin.load();
  munmap((void*)begin, end - begin);
  r.taken.store(false);
}

void* regionStart(int region) { return (void*)regions[region].start; }
size_t regionBytes(int region) { return regions[region].end.load() - regions[region].begin.load(); }
double regionLoss(int region) {
  const Region& r = regions[region];
  uintptr_t p = r.missing.load();
  return p == 0 ? -1 : p < r.start ? 0 : (double)(p - r.start);
}
int lastLoss(const LossCount* losses) {
  int found = -1;
  for (int i = 0; i < used.load(); i++) {
    const Region& r = regions[i];
    if (r.end.load() == 0 || r.losses != losses || r.missing.load() == 0) continue;
    if (found < 0 || r.last.load() > regions[found].last.load()) found = i;
  }
  return found;
}
int lossAt(const void* p) {
  int i = find((uintptr_t)p);
  return i >= 0 && regions[i].missing.load() != 0 ? i : -1;
}

}  // namespace fb

#else
namespace fb {
int mapFile(int, size_t, size_t, LossCount*) { return -1; }
void unmapFile(int) {}
void* regionStart(int) { return nullptr; }
size_t regionBytes(int) { return 0; }
double regionLoss(int) { return -1; }
int lastLoss(const LossCount*) { return -1; }
int lossAt(const void*) { return -1; }
}  // namespace fb
#endif
