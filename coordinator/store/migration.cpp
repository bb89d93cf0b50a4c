#include <fmt/format.h>

#include <span>

#include "coordinator/store/database.h"
#include "schema/base/embedded_file.h"
#include "schema/base/error.h"

namespace sarsweep {
std::span<const EmbeddedFile> migrations();  // By sarsweep_embed, in the order of their numbers.
}

namespace sarsweep::coordinator {

std::int64_t newest_schema() { return static_cast<std::int64_t>(migrations().size()); }

void migrate(Connection& connection) {
  const std::span<const EmbeddedFile> steps = migrations();
  const std::int64_t have = connection.integer("PRAGMA user_version").value_or(0);
  if (have > newest_schema()) {
    throw Error(
        ErrorCode::invalid,
        fmt::format("the database has schema {}, this program knows {}; use a newer program "
                    "or restore a backup",
                    have, newest_schema()));
  }
  for (std::size_t i = static_cast<std::size_t>(have); i < steps.size(); ++i) {
    connection.script("BEGIN IMMEDIATE");
    connection.script(std::string(steps[i].content));
    connection.script(fmt::format("PRAGMA user_version = {}", i + 1));
    connection.script("COMMIT");
  }
}

}  // namespace sarsweep::coordinator
