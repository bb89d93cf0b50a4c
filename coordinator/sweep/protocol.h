#pragma once

#include <string>
#include <vector>

namespace sarsweep::sweep {

// The shipped protocols: the files of schema/config/protocols/ without their ending.
std::vector<std::string> protocol_names();

}  // namespace sarsweep::sweep
