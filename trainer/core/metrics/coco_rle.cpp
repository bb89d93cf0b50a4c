#include "trainer/core/metrics/coco_rle.h"

#include <fmt/format.h>

#include <optional>

#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr std::int64_t kMostPixels = 1LL << 28;
constexpr int kMostGroups = 7;  // 35 bits

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid, message, "eval.masks");
}

std::vector<std::int64_t> counts_of(const json& counts, const std::string& where) {
  if (counts.is_string()) {
    try {
      return parse_rle_text(counts.get_ref<const std::string&>());
    } catch (const Error& error) {
      refuse(where + ": " + error.what());
    }
  }
  if (!counts.is_array()) refuse(where + ": 'counts' is neither a list nor a text");
  std::vector<std::int64_t> lengths;
  for (const json& count : counts) {
    const std::optional<std::int64_t> length = whole_number(count);
    if (!length)
      refuse(fmt::format("{}: the run length {} is no whole number", where, count.dump()));
    lengths.push_back(*length);
  }
  return lengths;
}

Mask empty_mask(const json& segmentation, const std::string& where) {
  const bool complete = segmentation.is_object() && segmentation.contains("size") &&
                        segmentation.contains("counts") && segmentation["size"].is_array() &&
                        segmentation["size"].size() == 2;
  if (!complete) {
    refuse(
        where +
        ": a mask is {\"size\": [height, width], \"counts\": …}; convert polygons to run lengths");
  }
  const auto height = whole_number(segmentation["size"][0]);
  const auto width = whole_number(segmentation["size"][1]);
  if (!height || !width || *height < 1 || *width < 1 || *height > kMostPixels / *width) {
    refuse(fmt::format("{}: {} is no size of a mask", where, segmentation["size"].dump()));
  }
  return {static_cast<int>(*height), static_cast<int>(*width),
          std::vector<std::uint8_t>(static_cast<std::size_t>(*height * *width), 0)};
}

}  // namespace

std::vector<std::int64_t> parse_rle_text(std::string_view text) {
  std::vector<std::int64_t> numbers;
  std::int64_t number = 0;
  int groups = 0;
  for (const char character : text) {
    const int code = character - '0';
    if (code < 0 || code > 63) {
      refuse(fmt::format("the character '{}' is none of a compressed run length", character));
    }
    if (groups == kMostGroups) refuse("a compressed run length has more than 35 bits");
    number += static_cast<std::int64_t>(code & 31) << (5 * groups++);
    if ((code & 32) != 0) continue;
    if ((code & 16) != 0) number -= std::int64_t{1} << (5 * groups);
    if (numbers.size() > 2) number += numbers[numbers.size() - 2];
    numbers.push_back(number);
    number = 0;
    groups = 0;
  }
  if (groups != 0) refuse("a compressed run length is cut short");
  return numbers;
}

Mask decode_rle(const json& segmentation, const std::string& where) {
  Mask mask = empty_mask(segmentation, where);
  const auto height = static_cast<std::size_t>(mask.height);
  const auto width = static_cast<std::size_t>(mask.width);
  std::size_t at = 0;
  std::uint8_t inside = 0;
  for (const std::int64_t length : counts_of(segmentation["counts"], where)) {
    if (length < 0 || static_cast<std::uint64_t>(length) > mask.inside.size() - at) {
      refuse(fmt::format("{}: the run of {} pixels at pixel {} does not fit into {} x {}", where,
                         length, at, mask.height, mask.width));
    }
    for (const std::size_t end = at + static_cast<std::size_t>(length); at < end; ++at) {
      mask.inside[at % height * width + at / height] = inside;
    }
    inside ^= 1;
  }
  if (at != mask.inside.size()) {
    refuse(fmt::format("{}: the runs cover {} of {} pixels", where, at, mask.inside.size()));
  }
  return mask;
}

}  // namespace sarsweep::trainer
