// The caching allocator: blocks in size classes (four between powers of two), aligned to 64 bytes, huge pages from 2 MB.
// Blocks carry a reference count that JavaScript and C++ both reach; at zero a block returns to the cache.
#pragma once
#include "base.h"

namespace fb {

constexpr int MaxBlocks = 1 << 20;

// Is every access checked, so that small tensors should not share blocks?
extern const bool guarded;

struct Stats {
  double live, cached, peak, blocks;
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
  void* address(int block) const { return info[block].p; }
  // Gives cached blocks back to the system until at most `keep` bytes are cached.
  void trim(size_t keep);
  void resetPeak() { peak = live; }
  Stats stats() const { return {(double)live, (double)cached, (double)peak, (double)blocks}; }
  int32_t* refs;

 private:
  struct Block {
    void* p;
    int next;
    int cls;
  };
  void give(int block);
  Block* info;
  int freeIds = -1, used = 0, blocks = 0;
  size_t live = 0, cached = 0, peak = 0;
  static constexpr int Classes = 256;
  int lists[Classes];
};

}  // namespace fb
