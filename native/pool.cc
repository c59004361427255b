#include "pool.h"

#include <algorithm>
#include <atomic>
#ifndef __wasm__
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>
#endif

#ifdef __wasm__
// Made by JavaScript, which is asked once for as many as are missing; until they run, the caller does all parts.
extern "C" __attribute__((import_module("env"), import_name("startWorkers"))) void startWorkers(int count);
#endif

namespace fb {
namespace {

struct Pool {
  // generation << 40 | next part << 20 | parts: one word, so that a late worker can never claim a part of another job.
  std::atomic<uint64_t> ticket{0};
  std::atomic<i64> finished{0};
  std::atomic<int> sleeping{0};
  std::atomic<int> threads{1};
  // Atomic because a late worker may read them while the next job's are written. What it read is then dropped: its claim fails, as
  // the ticket has changed. A claim that succeeds orders the reads before the end of that job, and so before the writes.
  std::atomic<PartFn> fn{nullptr};
  std::atomic<void*> ctx{nullptr};
#ifdef __wasm__
  std::atomic<bool> failed{false};
  int started = 0;
#else
  std::atomic<bool> stop{false};
  std::mutex mutex, jobMutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;
#endif
};
#ifdef __wasm__
constinit Pool only;  // no code, and so no guard, is needed to make it
Pool& pool() { return only; }
#else
// Never destroyed: worker threads may outlive the static destructors of a process that exits.
Pool& pool() {
  static Pool* p = new Pool;
  return *p;
}
#endif
thread_local int slot = 0;
thread_local bool inside = false;
}  // namespace

int numThreads() { return pool().threads.load(std::memory_order_relaxed); }

namespace {

inline uint64_t generationOf(uint64_t ticket) { return ticket >> 40; }
inline uint64_t nextOf(uint64_t ticket) { return (ticket >> 20) & 0xfffff; }
inline uint64_t partsOf(uint64_t ticket) { return ticket & 0xfffff; }

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Claims and runs parts of the current job until none is left; how many they were.
i64 work(Pool& p) {
  for (i64 done = 0;;) {
    uint64_t t = p.ticket.load(std::memory_order_acquire);
    if (nextOf(t) >= partsOf(t)) return done;
    PartFn fn = p.fn.load(std::memory_order_relaxed);
    void* ctx = p.ctx.load(std::memory_order_relaxed);
    if (!p.ticket.compare_exchange_weak(t, t + (1ull << 20), std::memory_order_acq_rel)) continue;
    fn(ctx, (i64)nextOf(t));
    p.finished.fetch_add(1, std::memory_order_release);
    done++;
  }
}

// Sleeping and waking, and whether other threads may take part in a job.
#ifdef __wasm__
// No pause instruction here: the same time takes more turns.
constexpr int Spins = 100000;
inline bool over(Pool&) { return false; }
void sleep(Pool& p, uint64_t seen) {
  p.sleeping.fetch_add(1);
  uint64_t t = p.ticket.load();
  if (generationOf(t) == seen) __builtin_wasm_memory_atomic_wait64((i64*)&p.ticket, (i64)t, -1);
  p.sleeping.fetch_sub(1);
}
void wakeAll(Pool& p) { __builtin_wasm_memory_atomic_notify((int*)&p.ticket, ~0u); }
bool enter(Pool& p) {
  int missing = p.threads - 1;
  if (missing > p.started) startWorkers(p.started = missing);
  return true;
}
void leave(Pool& p) {
  if (p.failed.exchange(false)) __builtin_trap();
}
inline void yield() {}  // a browser's main thread may not block
struct Watch {  // no clock here
  void ended(i64) {}
  void waited() {}
};
#else
constexpr int Spins = 20000;
inline bool over(Pool& p) { return p.stop.load(std::memory_order_relaxed); }
void sleep(Pool& p, uint64_t seen) {
  std::unique_lock<std::mutex> lock(p.mutex);
  p.sleeping.fetch_add(1);
  p.wake.wait(lock, [&] { return generationOf(p.ticket.load()) != seen || p.stop.load(); });
  p.sleeping.fetch_sub(1);
}
void wakeAll(Pool& p) {
  std::lock_guard<std::mutex> lock(p.mutex);
  p.wake.notify_all();
}
// On a busy machine the system parks a worker in the middle of a part, and the caller waits for its return, for milliseconds each
// time: two processes with two threads each on two processors were slower than one after the other with one. Such a wait shows,
// as it is longer than parts take, and then the caller does its jobs alone for a while: the longer, the less well trying again went.
i64 now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
constexpr i64 Late = 200'000, FirstRest = 5'000'000, LongestRest = 160'000'000;  // ns
i64 aloneUntil = 0, rest = 0;                                                      // under jobMutex
class Watch {
  i64 began = now(), own = 0, part = -1;

 public:
  // The caller has done so many parts and finds no more.
  void ended(i64 parts) {
    own = now();
    if (parts > 0) part = (own - began) / parts;
  }
  // All are done.
  void waited() {
    i64 t = now();
    if (part >= 0 && t - own > 2 * part + Late) {
      rest = std::min(std::max(2 * rest, FirstRest), LongestRest);
      aloneUntil = t + rest;
    } else if (t - aloneUntil > 4 * rest) {
      rest = 0;
    }
  }
};
// A second JavaScript thread works alone while one is at work.
bool enter(Pool& p) {
  if (!p.jobMutex.try_lock()) return false;
  if (rest == 0 || now() >= aloneUntil) return true;
  p.jobMutex.unlock();
  return false;
}
void leave(Pool& p) { p.jobMutex.unlock(); }
inline void yield() { std::this_thread::yield(); }
#endif

// Takes part in every job; in WebAssembly a worker that is not wanted for now stays, asleep.
void workerLoop(int id) {
  slot = id;
  inside = true;
  Pool& p = pool();
  uint64_t seen = generationOf(p.ticket.load());
  for (;;) {
    bool found = false, wanted = id < numThreads();
    for (int spin = 0; wanted && spin < Spins && !found; spin++) {
      found = generationOf(p.ticket.load(std::memory_order_acquire)) != seen || over(p);
      pause();
    }
    if (!found) sleep(p, seen);
    if (over(p)) return;
    seen = generationOf(p.ticket.load(std::memory_order_acquire));
    if (id < numThreads()) work(p);
  }
}
}  // namespace

int threadSlot() { return slot; }

#ifdef __wasm__
void setNumThreads(int n) { pool().threads = n < 1 ? 1 : n > 256 ? 256 : n; }
void joinPool(int id) { workerLoop(id); }
void partFailed() {
  pool().failed = true;
  pool().finished.fetch_add(1);
}
void abandonJob() {
  Pool& p = pool();
  if (!inside) return;
  uint64_t t = p.ticket.load(), closed;
  do closed = generationOf(t) << 40 | partsOf(t) << 20 | partsOf(t);
  while (!p.ticket.compare_exchange_weak(t, closed));
  while (p.finished.load() + 1 < (i64)nextOf(t)) pause();
  p.failed = false;
  inside = false;
}
#else
void setNumThreads(int n) {
  Pool& p = pool();
  if (n < 1) n = 1;
  if (n > 256) n = 256;
  if (n == p.threads) return;
  std::lock_guard<std::mutex> job(p.jobMutex);
  p.stop.store(true);
  wakeAll(p);
  for (auto& w : p.workers) w.join();
  p.workers.clear();
  p.stop.store(false);
  p.threads = n;
  for (int i = 1; i < n; i++) p.workers.emplace_back(workerLoop, i);
}
#endif

void runParts(PartFn fn, void* ctx, i64 parts) {
  Pool& p = pool();
  // Nested calls run on the spot.
  if (inside || parts <= 1 || numThreads() == 1 || !enter(p)) {
    for (i64 i = 0; i < parts; i++) fn(ctx, i);
    return;
  }
  inside = true;
  p.fn.store(fn, std::memory_order_relaxed);
  p.ctx.store(ctx, std::memory_order_relaxed);
  p.finished.store(0, std::memory_order_relaxed);
  uint64_t generation = (generationOf(p.ticket.load()) + 1) & 0xffffff;
  p.ticket.store(generation << 40 | (uint64_t)parts, std::memory_order_seq_cst);
  if (p.sleeping.load(std::memory_order_seq_cst) > 0) wakeAll(p);
  Watch watch;
  watch.ended(work(p));
  for (int spin = 0; p.finished.load(std::memory_order_acquire) < parts; spin++) {
    if (spin < 4000) pause();
    else yield();
  }
  watch.waited();
  inside = false;
  leave(p);
}
}  // namespace fb
