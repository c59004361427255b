#include "memory.h"

#include <cstdlib>

#include "pages.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace fb {
namespace {

// Class c holds blocks of (4 + c % 4) << (c / 4 + 4) bytes: 64, 80, 96, 112, 128, …
size_t classSize(int c) { return (size_t)(4 + (c & 3)) << (c / 4 + 4); }
int classOf(size_t n) {
  if (n <= 64) return 0;
  int lg = 63 - __builtin_clzll(n - 1);   // n in (2^lg, 2^(lg+1)]
  int q = (int)((n - 1) >> (lg - 2)) & 3;
  int c = (lg - 6) * 4 + q + 1;
  return c;
}

void* take(size_t n) {
  if (n >= HugePage) return takePages(n);
  void* p = nullptr;
  return posix_memalign(&p, 64, (n + 63) / 64 * 64) == 0 ? p : nullptr;
}
void release(void* p, size_t n) {
  if (n >= HugePage) givePages(p, n);
  else free(p);
}

// Under AddressSanitizer only the bytes that were asked for may be touched, and none of a cached block.
inline void allow([[maybe_unused]] void* p, [[maybe_unused]] size_t n, [[maybe_unused]] size_t size) {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(p, n);
  __asan_poison_memory_region((char*)p + n, size - n);
#endif
}
}  // namespace

#ifdef __SANITIZE_ADDRESS__
const bool guarded = true;
#else
const bool guarded = false;
#endif

Memory::Memory() {
  refs = (int32_t*)calloc(MaxBlocks, sizeof(int32_t));
  info = (Block*)calloc(MaxBlocks, sizeof(Block));
  for (int& l : lists) l = -1;
  used = 1;  // block 0 stands for none
}

Memory::~Memory() {
  trim(0);
  for (int b = 1; b < used; b++)
    if (refs[b] > 0) isMapped(b) ? unmapFile(info[b].next) : release(info[b].p, classSize(info[b].cls));
  free(refs);
  free(info);
}

int Memory::alloc(size_t n, size_t reserve) {
  int c = classOf(n);
  size_t size = classSize(c);
  int b = lists[c];
  if (b >= 0) {
    lists[c] = info[b].next;
    cached -= size;
  } else {
    if (live + cached + size > reserve) return -1;
    void* p = take(size);
    if (!p) {
      trim(0);
      if (!(p = take(size))) return -1;
    }
    b = newId();
    if (b < 0) {
      release(p, size);
      return -1;
    }
    info[b] = {p, -1, c};
  }
  allow(info[b].p, n, size);
  refs[b] = 1;
  blocks++;
  live += size;
  if (live > peak) peak = live;
  return b;
}

int Memory::map(int fd, size_t begin, size_t n) {
  int b = newId();
  if (b < 0) return -1;
  int region = mapFile(fd, begin, n, &losses);
  if (region < 0) {
    freeId(b);
    return -1;
  }
  info[b] = {regionStart(region), region, Mapped};
  refs[b] = 1;
  files++;
  mapped += regionBytes(region);
  return b;
}

int Memory::newId() {
  if (freeIds < 0) return used < MaxBlocks ? used++ : -1;
  int b = freeIds;
  freeIds = info[b].next;
  return b;
}
void Memory::freeId(int b) {
  info[b] = {nullptr, freeIds, 0};
  freeIds = b;
}

void Memory::give(int b) {
  if (isMapped(b)) {
    files--;
    mapped -= regionBytes(info[b].next);
    unmapFile(info[b].next);
    return freeId(b);
  }
  int c = info[b].cls;
  size_t size = classSize(c);
  blocks--;
  live -= size;
  cached += size;
  allow(info[b].p, 0, size);
  info[b].next = lists[c];
  lists[c] = b;
}

void Memory::trim(size_t keep) {
  for (int c = Classes - 1; c >= 0 && cached > keep; c--) {
    while (lists[c] >= 0 && cached > keep) {
      int b = lists[c];
      lists[c] = info[b].next;
      cached -= classSize(c);
      release(info[b].p, classSize(c));
      freeId(b);
    }
  }
}

}  // namespace fb
