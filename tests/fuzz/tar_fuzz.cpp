// Whatever the bytes, an archive becomes members inside it or an Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "schema/base/error.h"
#include "trainer/core/data/tar_index.h"

namespace {

constexpr std::size_t kBlock = 512, kChecksum = 148;

// Most changed bytes would end at the checksum: every header-sized block that names a type gets the
// right one, unless its byte 500 is odd.
void mend_checksums(std::string& bytes) {
  for (std::size_t at = 0; at + kBlock <= bytes.size(); at += kBlock) {
    if (bytes.compare(at + 257, 5, "ustar") != 0 || (bytes[at + 500] & 1) != 0) continue;
    bytes.replace(at + kChecksum, 8, "        ");
    unsigned sum = 0;
    for (std::size_t i = at; i < at + kBlock; ++i) sum += static_cast<unsigned char>(bytes[i]);
    for (std::size_t digit = 0; digit < 6; ++digit, sum /= 8) {
      bytes[at + kChecksum + 5 - digit] = static_cast<char>('0' + sum % 8);
    }
    bytes[at + kChecksum + 6] = '\0';
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  mend_checksums(bytes);
  const auto read = [&](std::uint64_t offset, char* out, std::size_t count) {
    if (offset > bytes.size()) std::abort();
    const std::size_t taken = std::min<std::size_t>(count, bytes.size() - offset);
    std::memcpy(out, bytes.data() + offset, taken);
    return taken;
  };
  try {
    for (const auto& member : sarsweep::trainer::index_tar(read, bytes.size(), "fuzz.tar")) {
      if (member.offset > bytes.size() || member.size > bytes.size() - member.offset) std::abort();
      if (member.name.empty()) std::abort();
    }
  } catch (const sarsweep::Error& error) {
    if (error.code() != sarsweep::ErrorCode::invalid) std::abort();
  }
  return 0;
}
