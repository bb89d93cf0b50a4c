#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace sarsweep::cli {

// How a reply is printed: for people, or whole and with every digit for programs, or as a table for
// a paper.
enum class Format { table, json, jsonl, csv, markdown, latex };
inline constexpr std::array<std::pair<std::string_view, Format>, 6> kFormats = {
    {{"table", Format::table},
     {"json", Format::json},
     {"jsonl", Format::jsonl},
     {"csv", Format::csv},
     {"markdown", Format::markdown},
     {"latex", Format::latex}}};

// `document` as `json` (indented), `jsonl` (an element a line) or `csv` (RFC 4180: an element a
// row, a column for every value, named by its path such as metrics.eval/kl_pooled.mean, in the
// order of their first appearance; arrays as JSON, null and absent empty). What is no array is one
// element. Throws Error(invalid) for the formats of papers, which only some commands have.
std::string render(const nlohmann::json& document, Format format);

}  // namespace sarsweep::cli
