#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace sarsweep::cli {

// How a reply is printed: for people, or whole and with every digit for programs.
enum class Format { table, json, jsonl, csv };

// `document` as `json` (indented), `jsonl` (an element a line) or `csv` (RFC 4180: an element a
// row, a column for every value, named by its path such as metrics.eval/kl_pooled.mean, in the
// order of their first appearance; arrays as JSON, null and absent empty). What is no array is one
// element.
std::string render(const nlohmann::json& document, Format format);

}  // namespace sarsweep::cli
