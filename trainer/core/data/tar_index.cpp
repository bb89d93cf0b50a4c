#include "trainer/core/data/tar_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::uint64_t kLongestExtension = 1 << 20;  // a long name or a set of pax records
constexpr std::size_t kLongestName = 4096;
using Block = std::array<char, kBlock>;

// The fields of a header block: offset and length (POSIX ustar).
struct Place {
  std::size_t offset, length;
};
constexpr Place kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kMagic{257, 6}, kPrefix{345, 155};
constexpr std::size_t kType = 156;

std::string_view bytes_at(const Block& block, Place place) {
  return {block.data() + place.offset, place.length};
}

// Up to the first NUL.
std::string_view text_at(const Block& block, Place place) {
  const std::string_view bytes = bytes_at(block, place);
  return bytes.substr(0, std::min(bytes.find('\0'), bytes.size()));
}

// Octal digits between spaces and NULs, or GNU's base-256 (first bit set).
std::optional<std::uint64_t> number_at(const Block& block, Place place) {
  std::string_view digits = bytes_at(block, place);
  if ((digits.front() & 0x80) != 0) {
    if (digits.front() != '\x80') return std::nullopt;  // negative, or above 2^88
    std::uint64_t value = 0;
    for (const char c : digits.substr(1)) {
      if (value >> 56 != 0) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  constexpr std::string_view kPadding(" \0", 2);
  const std::size_t first = digits.find_first_not_of(' ');
  if (first == std::string_view::npos) return std::nullopt;
  digits.remove_prefix(first);
  digits = digits.substr(0, std::min(digits.find_first_of(kPadding), digits.size()));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole ? std::optional(value) : std::nullopt;
}

// The sum of all bytes, those of the checksum itself counted as spaces.
std::uint64_t checksum_of(const Block& block) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.length;
    sum += own ? static_cast<unsigned char>(' ') : static_cast<unsigned char>(block[i]);
  }
  return sum;
}

bool is_zero(const Block& block) {
  return std::all_of(block.begin(), block.end(), [](char c) { return c == 0; });
}

class TarReader {
 public:
  TarReader(const ReadAt& read, std::uint64_t size, const std::string& name)
      : read_(read), size_(size), name_(name) {}

  std::vector<TarMember> members() {
    Block header{};
    while (true) {
      if (at_ == size_) refuse("has no end-of-archive block: it is cut short; copy it again");
      read_block(header);
      if (is_zero(header)) break;
      take(header);
    }
    require_nothing_more();
    return std::move(members_);
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(ErrorCode::invalid, fmt::format("{}: {}", name_, reason));
  }

  void read_bytes(std::uint64_t offset, char* out, std::uint64_t count) const {
    if (offset > size_ || count > size_ - offset || read_(offset, out, count) != count) {
      refuse(fmt::format("is cut short at byte {}; copy it again", std::min(offset, size_)));
    }
  }
  void read_block(Block& block) {
    header_at_ = at_;
    read_bytes(at_, block.data(), kBlock);
    at_ += kBlock;
  }

  void take(const Block& header) {
    const bool ustar = bytes_at(header, kMagic).starts_with("ustar");
    if (!ustar || number_at(header, kChecksum) != checksum_of(header)) {
      refuse(
          fmt::format("holds no tar header at byte {} (a damaged or compressed archive?); write "
                      "it again, uncompressed",
                      header_at_));
    }
    const std::optional<std::uint64_t> stored = number_at(header, kSize);
    if (!stored) refuse(fmt::format("has no readable size in its header at byte {}", header_at_));
    const char type = header[kType];
    if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
      take_extension(type, *stored);
      return;
    }
    const std::string name = long_name_.value_or(plain_name(header));
    const std::uint64_t size = long_size_.value_or(*stored);
    long_name_.reset();
    long_size_.reset();
    take_member(type, name, size);
  }

  static std::string plain_name(const Block& header) {
    const std::string name(text_at(header, kName));
    const std::string prefix(text_at(header, kPrefix));
    const bool posix = bytes_at(header, kMagic)[5] == '\0';  // GNU keeps other things there
    return posix && !prefix.empty() ? prefix + "/" + name : name;
  }

  void take_member(char type, const std::string& name, std::uint64_t size) {
    if (type == '5') return;  // A folder has no bytes, whatever its size says.
    if (type != '0' && type != '\0' && type != '7') {
      refuse(
          fmt::format("member '{}' is a link, device or sparse file (type '{}'); store the file "
                      "itself",
                      name, type));
    }
    if (name.empty() || name.size() > kLongestName) {
      refuse(
          fmt::format("has a member with a name of {} bytes at byte {}", name.size(), header_at_));
    }
    if (size > size_ - at_) {
      refuse(fmt::format("member '{}' is cut short: {} of {} bytes are there; copy it again", name,
                         size_ - at_, size));
    }
    members_.push_back({name, at_, size});
    skip(size);
  }

  // Names and sizes too long for a header, which stand in a block of their own before it.
  void take_extension(char type, std::uint64_t size) {
    if (size > kLongestExtension) {
      refuse(fmt::format("has an extended header of {} bytes at byte {}", size, header_at_));
    }
    if (size > size_ - at_) refuse(fmt::format("is cut short at byte {}; copy it again", size_));
    std::string text(size, '\0');
    read_bytes(at_, text.data(), size);
    skip(size);
    if (type == 'L') long_name_ = text.substr(0, std::min(text.find('\0'), text.size()));
    if (type == 'x') take_records(text);
  }

  // "LENGTH KEY=VALUE\n", the length counting itself.
  void take_records(std::string_view text) {
    while (!text.empty()) {
      std::size_t length = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
      const auto digits = static_cast<std::size_t>(end - text.data());
      const bool framed = error == std::errc() && length > digits + 1 && length <= text.size() &&
                          text[digits] == ' ' && text[length - 1] == '\n';
      if (!framed) refuse(fmt::format("has a malformed pax record at byte {}", header_at_));
      take_record(text.substr(digits + 1, length - digits - 2));
      text.remove_prefix(length);
    }
  }
  void take_record(std::string_view record) {
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) {
      refuse(fmt::format("has a malformed pax record at byte {}", header_at_));
    }
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key.starts_with("GNU.sparse")) {
      refuse(fmt::format("holds a sparse file at byte {}; store the file itself", header_at_));
    }
    if (key == "path") long_name_ = std::string(value);
    if (key != "size") return;
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
    if (error != std::errc() || end != value.data() + value.size()) {
      refuse(fmt::format("has a malformed pax record at byte {}", header_at_));
    }
    long_size_ = size;
  }

  // Over `size` bytes and their padding; the padding of a last member may be missing.
  void skip(std::uint64_t size) {
    const std::uint64_t padded = size + (kBlock - size % kBlock) % kBlock;
    at_ = std::min(at_ + padded, size_);
  }

  void require_nothing_more() {
    std::array<char, 1 << 16> rest;
    while (at_ < size_) {
      const std::uint64_t count = std::min<std::uint64_t>(rest.size(), size_ - at_);
      read_bytes(at_, rest.data(), count);
      if (std::any_of(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(count),
                      [](char c) { return c != 0; })) {
        refuse("goes on after its end (several archives joined?); keep them apart");
      }
      at_ += count;
    }
  }

  const ReadAt& read_;
  std::uint64_t size_;
  const std::string& name_;
  std::uint64_t at_ = 0, header_at_ = 0;
  std::optional<std::string> long_name_;  // of the next member
  std::optional<std::uint64_t> long_size_;
  std::vector<TarMember> members_;
};

}  // namespace

std::vector<TarMember> index_tar(const ReadAt& read, std::uint64_t archive_size,
                                 const std::string& name) {
  return TarReader(read, archive_size, name).members();
}

std::vector<TarMember> index_tar(const std::filesystem::path& archive) {
  std::ifstream in(archive, std::ios::binary);
  if (!in || !std::filesystem::is_regular_file(archive)) {
    throw Error(ErrorCode::not_found, fmt::format("{}: cannot be opened", archive.string()));
  }
  const auto read = [&](std::uint64_t offset, char* out, std::size_t count) {
    in.clear();
    in.seekg(static_cast<std::streamoff>(offset));
    in.read(out, static_cast<std::streamsize>(count));
    return static_cast<std::size_t>(in.gcount());
  };
  return index_tar(read, std::filesystem::file_size(archive), archive.string());
}

}  // namespace sarsweep::trainer
