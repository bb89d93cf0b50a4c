#include "coordinator/cli/session.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>

#include "schema/base/atomic_file.h"

namespace sarsweep::cli {
namespace {

using std::chrono::steady_clock;

constexpr double kTimeoutS = 15;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r')) {
    text.pop_back();
  }
  return text;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string find_url(const Preferences& preferences) {
  if (!preferences.url.empty()) return preferences.url;
  const std::filesystem::path note = preferences.home / "url";
  if (std::filesystem::exists(note)) return trimmed(read_file(note));
  return "http://127.0.0.1:8765";
}

std::string find_token(const Preferences& preferences) {
  const std::filesystem::path file = preferences.home / "token";
  if (std::filesystem::exists(file)) return trimmed(read_file(file));
  const std::string named = environment("SARSWEEP_TOKEN_FILE");
  return named.empty() ? "" : trimmed(read_file(named));
}

}  // namespace

Exit exit_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid:
    case ErrorCode::too_large: return Exit::usage;
    case ErrorCode::unauthorized:
    case ErrorCode::forbidden: return Exit::not_allowed;
    case ErrorCode::not_found: return Exit::not_found;
    case ErrorCode::conflict:
    case ErrorCode::fenced: return Exit::conflict;
    case ErrorCode::busy:
    case ErrorCode::unreachable: return Exit::unreachable;
    case ErrorCode::no_space:
    case ErrorCode::internal: return Exit::failed;
  }
  return Exit::failed;
}

Session::Session(Preferences preferences, std::ostream& out, std::ostream& err,
                 std::stop_token stop)
    : preferences_(std::move(preferences)),
      out_(out),
      err_(err),
      stop_(std::move(stop)),
      color_(&out == &std::cout && isatty(STDOUT_FILENO) == 1 && environment("NO_COLOR").empty()),
      interactive_(&out == &std::cout && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {}

Session::~Session() = default;

const client::ApiClient& Session::api() {
  if (!api_) {
    api_ = std::make_unique<client::ApiClient>(find_url(preferences_), find_token(preferences_),
                                               kTimeoutS, preferences_.ca);
  }
  return *api_;
}

void Session::print_document(const nlohmann::json& document) {
  out_ << render(document, preferences_.format);
}

bool Session::confirm(const std::string& question) {
  if (preferences_.yes) return true;
  if (!interactive_) {
    throw Error(ErrorCode::invalid, question + " Nobody can be asked here; add -y to say yes");
  }
  err_ << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

bool Session::pause_for(double seconds) {
  std::mutex mutex;
  std::condition_variable_any nobody;
  std::unique_lock lock(mutex);
  nobody.wait_for(lock, stop_, std::chrono::duration<double>(seconds), [] { return false; });
  return !stop_.stop_requested();
}

nlohmann::json get_document(Session& session, const std::string& path, const client::Query& query) {
  const auto deadline = steady_clock::now() + std::chrono::duration<double>(session.patience());
  for (;;) {
    auto reply = session.api().get(path, query);
    const bool away = !reply && (reply.error().code == ErrorCode::unreachable ||
                                 reply.error().code == ErrorCode::busy);
    if (!away || steady_clock::now() >= deadline || !session.pause_for(0.5)) {
      return client::value_or_throw(std::move(reply));
    }
  }
}

}  // namespace sarsweep::cli
