#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/mask.h"

namespace sarsweep::trainer {

// Run-length masks as COCO stores them: the lengths of runs in column-major order, outside first,
// inside and outside in turn.

// Lengths out of COCO's text form: numbers of 5-bit groups, least first, in the characters from '0'
// (48); 32 marks a group that is followed by another, 16 of the last one the sign; from the fourth
// number on a number is the difference to the last but one. Throws Error(invalid).
std::vector<std::int64_t> parse_rle_text(std::string_view text);

// The mask of {"size": [height, width], "counts": [numbers] or "text"}. `where` is named in the
// Error(invalid) for anything else, polygons included, and for runs that do not fill the size.
Mask decode_rle(const nlohmann::json& segmentation, const std::string& where);

}  // namespace sarsweep::trainer
