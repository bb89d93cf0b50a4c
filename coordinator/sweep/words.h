#pragma once

#include <span>
#include <string_view>

// The two halves of memorable names. Their order is part of every name: add none, remove none.
namespace sarsweep::sweep {

std::span<const std::string_view> first_words();
std::span<const std::string_view> second_words();

}  // namespace sarsweep::sweep
