#pragma once

#include <string>

namespace sarsweep::config {

// docs/fields.md: every row of the table, as Markdown.
std::string fields_page();

}  // namespace sarsweep::config
