#pragma once

#include <string>
#include <vector>

namespace sarsweep::sweep {

// The shipped protocols: the files of schema/config/protocols/ without their ending.
const std::vector<std::string>& protocol_names();

// What a protocol says, without the eval. in front.
const std::vector<std::string>& protocol_keys();
bool is_protocol_field(const std::string& field);

}  // namespace sarsweep::sweep
