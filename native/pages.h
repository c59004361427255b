// Large memory straight from the system: aligned for huge pages, and truly given back. Through malloc, blocks of many sizes that come
// and go leave holes between them that stay resident.
#pragma once
#include <cstdlib>
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace fb {

constexpr size_t HugePage = 2u << 20;

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
inline size_t wholePages(size_t n) { return (n + 4095) / 4096 * 4096; }
// Null when there is none left. n is at least HugePage.
inline void* takePages(size_t n) {
  size_t size = wholePages(n), room = size + HugePage;
  char* p = (char*)mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  char* aligned = (char*)(((size_t)p + HugePage - 1) / HugePage * HugePage);
  if (aligned > p) munmap(p, aligned - p);
  if (p + room > aligned + size) munmap(aligned + size, p + room - aligned - size);
#ifdef MADV_HUGEPAGE
  madvise(aligned, size, MADV_HUGEPAGE);
#endif
  return aligned;
}
inline void givePages(void* p, size_t n) {
  if (p) munmap(p, wholePages(n));
}
#else
inline void* takePages(size_t n) { return aligned_alloc(HugePage, (n + HugePage - 1) / HugePage * HugePage); }
inline void givePages(void* p, size_t) { free(p); }
#endif

}  // namespace fb
