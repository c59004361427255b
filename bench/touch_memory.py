"""Touches as many bytes as asked for and goes. Hypervisors take free memory back; what is loaded right after this finds memory that is there."""
import mmap
import sys

size = int(sys.argv[1]) // 4096 * 4096 + (256 << 20)
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_HUGEPAGE)
memory[0:size:4096] = bytes(size // 4096)
