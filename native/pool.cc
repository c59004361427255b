#include "pool.h"

#ifdef __wasm__
namespace fb {
int numThreads() { return 1; }
void setNumThreads(int) {}
int threadSlot() { return 0; }
void runParts(PartFn fn, void* ctx, i64 parts) {
  for (i64 p = 0; p < parts; p++) fn(ctx, p);
}
}  // namespace fb
#else
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace fb {
namespace {

struct Pool {
  // generation << 40 | next part << 20 | parts: one word, so that a late worker can never claim a part of another job.
  std::atomic<uint64_t> ticket{0};
  std::atomic<i64> finished{0};
  std::atomic<int> sleeping{0};
  std::atomic<bool> stop{false};
  PartFn fn = nullptr;
  void* ctx = nullptr;
  std::mutex mutex, jobMutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;
  int threads = 1;
};
// Never destroyed: worker threads may outlive the static destructors of a process that exits.
Pool& pool() {
  static Pool* p = new Pool;
  return *p;
}
thread_local int slot = 0;
thread_local bool inside = false;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Claims and runs parts of the current job until none is left.
void work(Pool& p) {
  for (;;) {
    uint64_t t = p.ticket.load(std::memory_order_acquire);
    uint64_t next = (t >> 20) & 0xfffff, parts = t & 0xfffff;
    if (next >= parts) return;
    PartFn fn = p.fn;
    void* ctx = p.ctx;
    if (!p.ticket.compare_exchange_weak(t, t + (1ull << 20), std::memory_order_acq_rel)) continue;
    fn(ctx, (i64)next);
    p.finished.fetch_add(1, std::memory_order_release);
  }
}

void workerLoop(int id) {
  slot = id;
  inside = true;
  Pool& p = pool();
  uint64_t seen = p.ticket.load() >> 40;
  for (;;) {
    bool found = false;
    for (int spin = 0; spin < 20000; spin++) {
      uint64_t t = p.ticket.load(std::memory_order_acquire);
      if ((t >> 40) != seen || p.stop.load(std::memory_order_relaxed)) {
        found = true;
        break;
      }
      pause();
    }
    if (!found) {
      std::unique_lock<std::mutex> lock(p.mutex);
      p.sleeping.fetch_add(1);
      p.wake.wait(lock, [&] { return (p.ticket.load() >> 40) != seen || p.stop.load(); });
      p.sleeping.fetch_sub(1);
    }
    if (p.stop.load()) return;
    seen = p.ticket.load(std::memory_order_acquire) >> 40;
    work(p);
  }
}
}  // namespace

int numThreads() { return pool().threads; }
int threadSlot() { return slot; }

void setNumThreads(int n) {
  Pool& p = pool();
  if (n < 1) n = 1;
  if (n > 256) n = 256;
  if (n == p.threads) return;
  std::lock_guard<std::mutex> job(p.jobMutex);
  {
    std::lock_guard<std::mutex> lock(p.mutex);
    p.stop.store(true);
  }
  p.wake.notify_all();
  for (auto& w : p.workers) w.join();
  p.workers.clear();
  p.stop.store(false);
  p.threads = n;
  for (int i = 1; i < n; i++) p.workers.emplace_back(workerLoop, i);
}

void runParts(PartFn fn, void* ctx, i64 parts) {
  Pool& p = pool();
  // Nested calls, and calls from a second JavaScript thread while one is at work, run on the spot.
  if (inside || parts <= 1 || p.threads == 1 || !p.jobMutex.try_lock()) {
    for (i64 i = 0; i < parts; i++) fn(ctx, i);
    return;
  }
  inside = true;
  p.fn = fn;
  p.ctx = ctx;
  p.finished.store(0, std::memory_order_relaxed);
  uint64_t generation = ((p.ticket.load() >> 40) + 1) & 0xffffff;
  p.ticket.store(generation << 40 | (uint64_t)parts, std::memory_order_seq_cst);
  if (p.sleeping.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(p.mutex);
    p.wake.notify_all();
  }
  work(p);
  for (int spin = 0; p.finished.load(std::memory_order_acquire) < parts; spin++) {
    if (spin < 4000) pause();
    else std::this_thread::yield();
  }
  inside = false;
  p.jobMutex.unlock();
}
}  // namespace fb
#endif
