#include "trainer/torch/files/name_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace sarsweep::trainer {
namespace {

constexpr std::size_t kNamesInMessage = 10;

}  // namespace

std::string some_of(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kNamesInMessage);
  std::string text = fmt::format(
      "{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

}  // namespace sarsweep::trainer
