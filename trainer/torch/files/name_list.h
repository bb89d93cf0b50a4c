#pragma once

#include <string>
#include <vector>

namespace sarsweep::trainer {

// Names for a message: the first ten, and how many more there are.
std::string some_of(const std::vector<std::string>& names);

}  // namespace sarsweep::trainer
