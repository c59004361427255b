// CRC-32 (zip, gzip and PNG, ISO 3309) of memory.
#pragma once
#include <cstddef>
#include <cstdint>

namespace fb {
uint32_t crc32(const uint8_t* p, size_t n);
}  // namespace fb
