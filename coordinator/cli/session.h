#pragma once

#include <filesystem>
#include <iosfwd>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/cli/document.h"
#include "coordinator/client/api_client.h"
#include "schema/base/error.h"

namespace sarsweep::cli {

// What the process says with its exit code.
enum class Exit : int {
  ok = 0,
  failed = 1,
  usage = 2,    // or an invalid file
  changes = 3,  // of `plan`
  not_allowed = 4,
  not_found = 5,
  conflict = 6,
  unreachable = 7,
  timeout = 124
};
Exit exit_for(ErrorCode code);

// What every command is given by the person and the shell.
struct Preferences {
  std::string url;                // empty: found by Session
  std::filesystem::path ca = {};  // PEM file for an https:// address; empty: the system's
  std::filesystem::path home = ".sarsweep";
  Format format = Format::table;
  bool yes = false;  // answers every question
};

// The terminal and the coordinator, as a command sees them. Data goes to `out`, talk to `err`. Not
// thread-safe.
class Session {
 public:
  Session(Preferences preferences, std::ostream& out, std::ostream& err, std::stop_token stop);
  ~Session();

  // Found at first use: --url or SARSWEEP_URL, else <home>/url, else port 8765 of this machine; the
  // token in <home>/token, else in the file that SARSWEEP_TOKEN_FILE names.
  const client::ApiClient& api();

  const Preferences& preferences() const { return preferences_; }
  bool as_document() const { return preferences_.format != Format::table; }
  bool as_paper() const {
    return preferences_.format == Format::markdown || preferences_.format == Format::latex;
  }
  // One row a point or cell is wanted rather than a document's own shape.
  bool as_rows() const { return as_document() && preferences_.format != Format::json; }
  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }
  const std::stop_token& stop() const { return stop_; }
  bool color() const { return color_; }  // standard output is a terminal and NO_COLOR is not set
  bool interactive() const { return interactive_; }  // somebody can answer and look

  void print_document(const nlohmann::json& document);
  // True with -y or on the person's "y"; Throws Error(invalid) where nobody can be asked.
  bool confirm(const std::string& question);
  // How long reads outlive a coordinator that is away (a restart); 0, as for one-shot commands:
  // not.
  void set_patience(double seconds) { patience_s_ = seconds; }
  double patience() const { return patience_s_; }
  // Waits; false when the person wants to stop.
  bool pause_for(double seconds);

 private:
  Preferences preferences_;
  std::ostream& out_;
  std::ostream& err_;
  std::stop_token stop_;
  bool color_;
  bool interactive_;
  double patience_s_ = 0;
  std::unique_ptr<client::ApiClient> api_;
};

// GET, repeated while the coordinator is away for at most the session's patience. Throws Error.
nlohmann::json get_document(Session& session, const std::string& path,
                            const client::Query& query = {});

}  // namespace sarsweep::cli
