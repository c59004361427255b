// Files in memory, page by page as they are touched, written to copies of the pages only.
//
// What makes mapping dangerous: a page that is not there when it is touched, because the file has shrunk or its disk fails, raises
// SIGBUS, which ends the process. Here a handler puts a page of zeros in its place, counts the loss, and lets the thread go on; whoever called it
// looks at the count before it believes what it computed. Every other SIGBUS goes to the handler that was there before.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fb {

// The status of a call that met missing pages, beside those of base.h.
constexpr int FileLost = 5;

typedef std::atomic<uint32_t> LossCount;

// Bytes `begin` to `begin + bytes` of an open file, as the number of a region; -1 where that cannot be: no regular file, too short,
// too many regions, no such thing on this system. The descriptor may be closed afterwards. `losses` counts the pages that were
// missing, on whichever thread, and must outlive the region.
int mapFile(int fd, size_t begin, size_t bytes, LossCount* losses);
void unmapFile(int region);
// The address of the first byte asked for, and the bytes of its pages in all.
void* regionStart(int region);
size_t regionBytes(int region);
// How far from the start a page was missing first, -1 if none was.
double regionLoss(int region);
// The region that lost a page last, of those with this count; the region with a loss that an address lies in. -1 for none.
int lastLoss(const LossCount* losses);
int lossAt(const void* p);

}  // namespace fb
