#include <fmt/format.h>

#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/table.h"
#include "schema/base/atomic_file.h"

namespace sarsweep::cli {
namespace {

namespace fs = std::filesystem;

// Takes the copy out of the home folder to where the person wants it.
void move_copy(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  const fs::path partial = to.string() + ".partial";
  if (!fs::exists(from, failed)) {
    throw Error(
        ErrorCode::invalid,
        fmt::format("the backup lies on the coordinator's machine, as {}; fetch it from there",
                    from.string()));
  }
  fs::copy_file(from, partial, fs::copy_options::overwrite_existing, failed);
  if (!failed) {
    sync_path(partial);
    fs::rename(partial, to, failed);
  }
  if (failed) {
    std::error_code ignored;
    fs::remove(partial, ignored);
    throw Error(ErrorCode::invalid, fmt::format("{} cannot be written: {}; the backup lies in {}",
                                                to.string(), failed.message(), from.string()));
  }
  fs::remove(from, failed);
}

}  // namespace

Exit backup(Session& session, const std::string& file) {
  if (!file.empty() && fs::exists(file)) {
    throw Error(ErrorCode::conflict, file + " exists; choose another name");
  }
  nlohmann::json made =
      client::value_or_throw(session.api().post("/api/v1/backups", nlohmann::json::object()));
  if (!file.empty()) {
    move_copy(made.at("file").get<std::string>(), file);
    made["file"] = fs::absolute(file).string();
  }
  if (session.as_document()) {
    session.print_document(made);
    return Exit::ok;
  }
  session.out() << cell(made, "file") << '\n';
  session.err() << fmt::format("sweeps {}, runs {}, points {}, bytes {}; checked\n",
                               cell(made, "sweeps"), cell(made, "runs"), cell(made, "points"),
                               cell(made, "bytes"));
  session.err()
      << "checkpoints, samples and results are files of the store: copy that folder as well\n"
      << "to go back to it: sarsweep restore " << cell(made, "file") << '\n';
  return Exit::ok;
}

Exit restore(Session& session, const RestoreOptions& options) {
  const fs::path home = session.preferences().home;
  if (!session.confirm(
          fmt::format("{} takes the place of the database in {}.", options.file, home.string()))) {
    return Exit::failed;
  }
  std::vector<std::string> arguments = {"--home", home.string(), "--restore", options.file};
  if (!options.store.empty()) arguments.insert(arguments.end(), {"--store", options.store});
  become("sarsweep-coordinator", arguments);
}

}  // namespace sarsweep::cli
