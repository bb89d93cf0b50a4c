#include "coordinator/cli/sweep_file.h"

#include <cstdint>
#include <utility>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"

namespace sarsweep::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLargestFile = 1U << 20U;

std::string read_checked(const fs::path& file) {
  std::error_code absent;
  if (!fs::is_regular_file(file, absent)) {
    throw Error(ErrorCode::invalid,
                "no file " + file.string() + "; give the path of a sweep file (docs/sweeps.md)",
                "file");
  }
  if (fs::file_size(file) > kLargestFile) {
    throw Error(ErrorCode::invalid, file.string() + " is larger than 1 MiB; that is no sweep file");
  }
  std::string text = read_file(file);
  if (!is_utf8(text)) throw Error(ErrorCode::invalid, file.string() + " is not UTF-8 text");
  return text;
}

// Bytes of the sequence that `lead` begins, with its least code point; 0: it begins none.
std::pair<int, std::uint32_t> sequence_of(unsigned char lead) {
  if (lead < 0x80) return {1, 0};
  if (lead >= 0xC2 && lead < 0xE0) return {2, 0x80};
  if (lead >= 0xE0 && lead < 0xF0) return {3, 0x800};
  if (lead >= 0xF0 && lead < 0xF5) return {4, 0x10000};
  return {0, 0};
}

}  // namespace

bool is_utf8(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const auto [length, least] = sequence_of(lead);
    if (length == 0 || at + static_cast<std::size_t>(length) > text.size()) return false;
    std::uint32_t point = length == 1 ? lead : lead & (0xFFU >> static_cast<unsigned>(length + 1));
    for (int i = 1; i < length; ++i) {
      const auto byte = static_cast<unsigned char>(text[at + static_cast<std::size_t>(i)]);
      if ((byte & 0xC0U) != 0x80U) return false;
      point = point << 6U | (byte & 0x3FU);
    }
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    if (point < least || surrogate || point > 0x10FFFF) return false;
    at += static_cast<std::size_t>(length);
  }
  return true;
}

SweepSource read_sweep_file(const fs::path& file, std::vector<std::string> set) {
  SweepSource source;
  source.text = read_checked(file);
  source.file = file.string();
  source.dir = fs::absolute(file).parent_path().lexically_normal().string();
  source.cwd = fs::current_path().string();
  source.set = std::move(set);
  return source;
}

client::Result<nlohmann::json> post_with_files(
    SweepSource& source,
    const std::function<client::Result<nlohmann::json>(const SweepSource&)>& send) {
  auto reply = send(source);
  const auto wanted = [](const nlohmann::json& document) {
    return document.is_object() ? document.value("needs_files", nlohmann::json::array())
                                : nlohmann::json::array();
  };
  const nlohmann::json needed = reply ? wanted(*reply) : wanted(reply.error().body);
  if (needed.empty()) return reply;
  for (const auto& name : needed) {
    const std::string path = name;
    source.files[path] = read_checked(fs::path(source.dir) / path);
  }
  return send(source);
}

}  // namespace sarsweep::cli
