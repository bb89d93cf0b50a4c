#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "coordinator/sweep/cell.h"

namespace sarsweep::sweep {

// word-word-N from SHA-256 of study and cell hash: the same cell has the same name everywhere.
// Where it is taken, the next N is. Adds the name to `taken`.
std::string memorable_name(const std::string& study, const std::string& cell_hash,
                           std::unordered_set<std::string>& taken);

// What may not stand in a name replaced by '-', none at the ends, at most 63 characters; may be
// empty.
std::string as_name(std::string text);

// The template with each {field} replaced by its active value (nothing where it is inactive) and
// what may not stand in a name by '-'. Throws Error(invalid) for an unknown field or an open brace.
std::string fill_template(const std::string& text, const config::RunValues& config);

// The candidate nearest to what was written, within edit distance 2; empty: none, or it is too long
// to be a slip.
std::string nearest_name(const std::string& written, const std::vector<std::string>& candidates);

}  // namespace sarsweep::sweep
