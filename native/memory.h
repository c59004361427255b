// The caching allocator: blocks in size classes (four between powers of two), aligned to 64 bytes, huge pages from 2 MB.
// Blocks carry a reference count that JavaScript and C++ both reach; at zero a block returns to the cache. Mapped files are blocks
// too, so that all that counts references serves them: at zero they are unmapped.
#pragma once
#include "base.h"
#include "map.h"

namespace fb {

constexpr int MaxBlocks = 1 << 20;

// Is every access checked, so that small tensors should not share blocks?
extern const bool guarded;

struct Stats {
  double live, cached, peak, blocks, mapped, files;
};

// One per JavaScript thread: never shared, so nothing is locked.
class Memory {
 public:
  Memory();
  ~Memory();
  // A block of at least n bytes with one reference, or -1. The system is asked only while no more than `reserve` bytes are
  // live and cached together.
  int alloc(size_t n, size_t reserve);
  void unref(int block) {
    if (--refs[block] == 0) give(block);
  }
  // A block over bytes `begin` to `begin + n` of an open file with one reference, or -1 (see map.h).
  int map(int fd, size_t begin, size_t n);
  bool isMapped(int block) const { return info[block].cls == Mapped; }
  int region(int block) const { return info[block].next; }
  // The region of a mapped file that was found to have lost pages since this was asked last, or -1.
  int takeLoss() {
    uint32_t now = losses.load(std::memory_order_relaxed);
    if (now == told) return -1;
    told = now;
    return lastLoss(&losses);
  }
  // The region that memory lies in if it ever lost any, or -1.
  int lossBehind(const void* p) const { return told == 0 ? -1 : lossAt(p); }
  void* address(int block) const { return info[block].p; }
  // Gives cached blocks back to the system until at most `keep` bytes are cached.
  void trim(size_t keep);
  void resetPeak() { peak = live; }
  Stats stats() const { return {(double)live, (double)cached, (double)peak, (double)blocks, (double)mapped, (double)files}; }
  int32_t* refs;

 private:
  // `next` is the next block of a list, or the region of a mapped one.
  struct Block {
    void* p;
    int next;
    int cls;
  };
  static constexpr int Classes = 256, Mapped = -1;
  int newId();
  void freeId(int block);
  void give(int block);
  Block* info;
  int freeIds = -1, used = 0, blocks = 0, files = 0;
  size_t live = 0, cached = 0, peak = 0, mapped = 0;
  LossCount losses{0};
  uint32_t told = 0;
  int lists[Classes];
};

}  // namespace fb
