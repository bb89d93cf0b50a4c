#include "schema/protocol/messages.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep {
namespace {

using nlohmann::json;

struct NotWhole {};

template <typename T>
void read(const json& found, T& value) {
  found.get_to(value);
}
template <typename T>
requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) void read(const json& found, T& value) {
  const auto whole = whole_number(found);
  if (!whole || !std::in_range<T>(*whole)) throw NotWhole();
  value = static_cast<T>(*whole);
}
template <typename T>
void read(const json& found, std::optional<T>& value) {
  read(found, value.emplace());
}
void read(const json& found, std::vector<int>& values) {
  if (!found.is_array()) throw NotWhole();
  values.clear();
  for (const json& item : found) read(item, values.emplace_back());
}

// Reads the members of one object and refuses what nobody asked for.
class Reader {
 public:
  Reader(const json& object, const char* what) : object_(object), what_(what) {
    if (!object.is_object())
      throw Error(ErrorCode::invalid, std::string(what) + " must be an object");
  }

  template <typename T>
  Reader& need(const char* key, T& value) {
    if (!object_.contains(key)) {
      throw Error(ErrorCode::invalid, std::string(what_) + " lacks '" + key + "'", key);
    }
    return take(key, value);
  }
  template <typename T>
  Reader& may(const char* key, T& value) {
    if (object_.contains(key)) return take(key, value);
    known_.emplace_back(key);
    return *this;
  }
  void end() const {
    for (const auto& [key, value] : object_.items()) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        throw Error(ErrorCode::invalid, std::string(what_) + " has an unknown key '" + key + "'",
                    key);
      }
    }
  }

 private:
  template <typename T>
  Reader& take(const char* key, T& value) {
    known_.emplace_back(key);
    try {
      read(object_.at(key), value);
    } catch (const json::exception&) {
      refuse(key, "has the wrong type");
    } catch (const NotWhole&) {
      refuse(key, "must be a whole number in range");
    }
    return *this;
  }

  [[noreturn]] void refuse(const std::string& key, const char* why) const {
    throw Error(ErrorCode::invalid, std::string(what_) + ": '" + key + "' " + why, key);
  }

  const json& object_;
  const char* what_;
  std::vector<std::string> known_;
};

void check_range(const char* key, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return;
  throw Error(ErrorCode::invalid,
              std::string(key) + " is " + std::to_string(value) + "; it must be from " +
                  std::to_string(low) + " to " + std::to_string(high),
              key);
}

// A text of 1 to `most` characters, none of them a control character: it goes into a script or onto
// a command line.
void check_line(const char* key, const std::string& text, std::size_t most) {
  const auto is_control = [](char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; };
  const auto begins_character = [](char c) { return (c & '\xc0') != '\x80'; };
  const auto characters =
      static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
  if (text.empty() || characters > most || std::any_of(text.begin(), text.end(), is_control)) {
    throw Error(ErrorCode::invalid,
                std::string(key) + " needs 1 to " + std::to_string(most) +
                    " characters without line ends or other control characters",
                key);
  }
}

void check_absolute(const char* key, const std::string& path) {
  if (path.front() == '/') return;
  throw Error(ErrorCode::invalid, std::string(key) + " must be an absolute path on the nodes", key);
}

void check_pool_name(const std::string& name) {
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool fine = !name.empty() && name.size() <= 40 && is_alphanumeric(name.front()) &&
                    std::all_of(name.begin(), name.end(),
                                [&](char c) { return is_alphanumeric(c) || c == '_' || c == '-'; });
  if (fine) return;
  throw Error(ErrorCode::invalid,
              "'" + name +
                  "' is no name of a pool; use up to 40 letters, digits, '_' and '-', the first a "
                  "letter or digit",
              "name");
}

Order parse_order(const std::string& text) {
  for (const Order order :
       {Order::go_on, Order::drain, Order::pause, Order::cancel, Order::kill, Order::fenced}) {
    if (to_string(order) == text) return order;
  }
  throw Error(ErrorCode::invalid, "unknown order '" + text + "'");
}

}  // namespace

std::string_view to_string(Order order) {
  switch (order) {
    case Order::go_on: return "continue";
    case Order::drain: return "drain";
    case Order::pause: return "pause";
    case Order::cancel: return "cancel";
    case Order::kill: return "kill";
    case Order::fenced: return "fenced";
  }
  return "fenced";
}

void to_json(json& j, const SweepSource& v) {
  j = {{"text", v.text},   {"file", v.file},   {"dir", v.dir},
       {"cwd", v.cwd},     {"set", v.set},     {"files", v.files},
       {"rerun", v.rerun}, {"prune", v.prune}, {"withdraw", v.withdraw}};
}
void from_json(const json& j, SweepSource& v) {
  Reader(j, "sweep source")
      .need("text", v.text)
      .may("file", v.file)
      .may("dir", v.dir)
      .may("cwd", v.cwd)
      .may("set", v.set)
      .may("files", v.files)
      .may("rerun", v.rerun)
      .may("prune", v.prune)
      .may("withdraw", v.withdraw)
      .end();
}

void to_json(json& j, const Diagnostic& v) {
  j = {{"file", v.file},
       {"line", v.line},
       {"col", v.col},
       {"severity", v.severity},
       {"code", v.code},
       {"message", v.message},
       {"suggestion", v.suggestion},
       {"source", v.source},
       {"length", v.length}};
}
void from_json(const json& j, Diagnostic& v) {
  Reader(j, "diagnostic")
      .need("file", v.file)
      .need("line", v.line)
      .need("col", v.col)
      .need("severity", v.severity)
      .need("code", v.code)
      .need("message", v.message)
      .need("suggestion", v.suggestion)
      .may("source", v.source)
      .may("length", v.length)
      .end();
}

void to_json(json& j, const LeaseKey& v) {
  j = {{"run_id", v.run_id}, {"lease_epoch", v.lease_epoch}, {"grant_token", v.grant_token}};
}
void from_json(const json& j, LeaseKey& v) {
  Reader(j, "lease")
      .need("run_id", v.run_id)
      .need("lease_epoch", v.lease_epoch)
      .need("grant_token", v.grant_token)
      .end();
}

static void from_json(const json& j, SlurmJob& v) {
  Reader(j, "slurm_job").need("token", v.token).need("job_id", v.job_id).end();
}

void to_json(json& j, const Slot& v) {
  j = {{"index", v.index}, {"device", v.device}};
  if (v.vram > 0) j["vram"] = v.vram;
}
void from_json(const json& j, Slot& v) {
  Reader(j, "slot").need("index", v.index).need("device", v.device).may("vram", v.vram).end();
  check_range("vram", v.vram, 0, std::int64_t{1} << 50);
}

void to_json(json& j, const RestingSlot& v) { j = {{"index", v.index}, {"reason", v.reason}}; }
void from_json(const json& j, RestingSlot& v) {
  constexpr std::size_t kMostCharacters = 200;
  Reader(j, "resting slot").need("index", v.index).need("reason", v.reason).end();
  check_line("reason", v.reason, kMostCharacters);
}

void to_json(json& j, const RegisterRequest& v) {
  j = {{"name", v.name}, {"incarnation", v.incarnation}, {"host", v.host}, {"threads", v.threads}};
  j["slots"] = v.slots;
  if (v.slurm_job) {
    j["slurm_job"] = {{"token", v.slurm_job->token}, {"job_id", v.slurm_job->job_id}};
  }
}
void from_json(const json& j, RegisterRequest& v) {
  json slots = json::array();
  json slurm_job;
  Reader(j, "register")
      .need("name", v.name)
      .need("incarnation", v.incarnation)
      .may("host", v.host)
      .may("threads", v.threads)
      .need("slots", slots)
      .may("slurm_job", slurm_job)
      .end();
  if (j.contains("slurm_job")) from_json(slurm_job, v.slurm_job.emplace());
  v.slots.clear();
  for (const json& item : slots) from_json(item, v.slots.emplace_back());
}

void to_json(json& j, const RegisterReply& v) {
  j = {{"worker_id", v.worker_id}, {"heartbeat_s", v.heartbeat_s},
       {"lease_s", v.lease_s},     {"store", v.store},
       {"cache", v.cache},         {"data_url", v.data_url}};
  if (!v.dismissed.empty()) j["dismissed"] = v.dismissed;
}
void from_json(const json& j, RegisterReply& v) {
  // A client ignores what it does not know.
  j.at("worker_id").get_to(v.worker_id);
  v.heartbeat_s = j.value("heartbeat_s", v.heartbeat_s);
  v.lease_s = j.value("lease_s", v.lease_s);
  v.store = j.value("store", "");
  v.cache = j.value("cache", "");
  v.data_url = j.value("data_url", "");
  v.dismissed = j.value("dismissed", "");
}

void to_json(json& j, const LeaseRequest& v) {
  j = {{"worker_id", v.worker_id},
       {"incarnation", v.incarnation},
       {"nonce", v.nonce},
       {"free_slots", v.free_slots}};
}
void from_json(const json& j, LeaseRequest& v) {
  Reader(j, "lease request")
      .need("worker_id", v.worker_id)
      .need("incarnation", v.incarnation)
      .need("nonce", v.nonce)
      .need("free_slots", v.free_slots)
      .end();
}

void to_json(json& j, const LeaseReply& v) {
  j = {{"retry_after_s", v.retry_after_s}, {"grants", json::array()}};
  for (const Grant& grant : v.grants) {
    j["grants"].push_back({{"key", grant.key},
                           {"name", grant.name},
                           {"slots", grant.slots},
                           {"run_json", grant.run_json}});
  }
  if (!v.drained_by.empty()) j["drained_by"] = v.drained_by;
}
void from_json(const json& j, LeaseReply& v) {
  v.retry_after_s = j.value("retry_after_s", v.retry_after_s);
  v.drained_by = j.value("drained_by", "");
  v.grants.clear();
  for (const json& item : j.at("grants")) {
    v.grants.push_back({item.at("key").get<LeaseKey>(), item.value("name", ""),
                        item.at("slots").get<std::vector<int>>(), item.at("run_json")});
  }
}

void to_json(json& j, const HeartbeatRequest& v) {
  j = {{"worker_id", v.worker_id},
       {"incarnation", v.incarnation},
       {"draining", v.draining},
       {"leases", v.leases}};
  if (!v.resting.empty()) j["resting"] = v.resting;
}
void from_json(const json& j, HeartbeatRequest& v) {
  Reader(j, "heartbeat")
      .need("worker_id", v.worker_id)
      .need("incarnation", v.incarnation)
      .may("draining", v.draining)
      .need("leases", v.leases)
      .may("resting", v.resting)
      .end();
  check_range("resting", static_cast<std::int64_t>(v.resting.size()), 0, 1024);
}

void to_json(json& j, const HeartbeatReply& v) {
  j = {{"runs", json::array()}};
  for (const OrderedRun& run : v.runs) {
    j["runs"].push_back({{"run_id", run.run_id},
                         {"lease_epoch", run.lease_epoch},
                         {"order", to_string(run.order)}});
  }
}
void from_json(const json& j, HeartbeatReply& v) {
  v.runs.clear();
  for (const json& item : j.at("runs")) {
    v.runs.push_back({item.at("run_id"), item.at("lease_epoch"), parse_order(item.at("order"))});
  }
}

void to_json(json& j, const FinishRequest& v) {
  j = {{"key", v.key},           {"exit_code", v.exit_code},     {"signal", v.signal},
       {"reason", v.reason},     {"event_bytes", v.event_bytes}, {"log_bytes", v.log_bytes},
       {"draining", v.draining}, {"walltime", v.walltime}};
}
void from_json(const json& j, FinishRequest& v) {
  Reader(j, "finish")
      .need("key", v.key)
      .need("exit_code", v.exit_code)
      .may("signal", v.signal)
      .may("reason", v.reason)
      .need("event_bytes", v.event_bytes)
      .need("log_bytes", v.log_bytes)
      .may("draining", v.draining)
      .may("walltime", v.walltime)
      .end();
}

void to_json(json& j, const FinishReply& v) { j = {{"state", to_string(v.state)}}; }
void from_json(const json& j, FinishReply& v) {
  const auto state = parse_run_state(j.at("state").get<std::string>());
  if (!state) throw Error(ErrorCode::invalid, "unknown run state in a finish reply");
  v.state = *state;
}

void to_json(json& j, const ExtendRequest& v) { j = {{"steps", v.steps}}; }
void from_json(const json& j, ExtendRequest& v) {
  Reader(j, "extend request").need("steps", v.steps).end();
  check_range("steps", v.steps, 1, 1'000'000'000);
}

void to_json(json& j, const ForkRequest& v) {
  j = {{"set", v.set}, {"name", v.name}, {"cwd", v.cwd}};
  if (v.step) j["step"] = *v.step;
}
void from_json(const json& j, ForkRequest& v) {
  Reader(j, "fork request")
      .may("set", v.set)
      .may("name", v.name)
      .may("step", v.step)
      .may("cwd", v.cwd)
      .end();
}

void to_json(json& j, const DrainRequest& v) { j = {{"now", v.now}}; }
void from_json(const json& j, DrainRequest& v) {
  Reader(j, "drain request").may("now", v.now).end();
}

void to_json(json& j, const GarbageRequest& v) {
  j = {{"apply", v.apply}, {"runs", v.runs}};
  if (v.keep_last) j["keep_last"] = *v.keep_last;
  if (v.keep_best) j["keep_best"] = *v.keep_best;
}
void from_json(const json& j, GarbageRequest& v) {
  constexpr std::int64_t kMost = 1'000'000;
  Reader(j, "garbage request")
      .may("apply", v.apply)
      .may("runs", v.runs)
      .may("keep_last", v.keep_last)
      .may("keep_best", v.keep_best)
      .end();
  check_range("keep_last", v.keep_last.value_or(1), 1, kMost);
  check_range("keep_best", v.keep_best.value_or(0), 0, kMost);
}

void to_json(json& j, const SlurmPoolRequest& v) {
  j = {{"name", v.name},
       {"max_jobs", v.max_jobs},
       {"time_limit_s", v.time_limit_s},
       {"idle_timeout_s", v.idle_timeout_s},
       {"url", v.url},
       {"token_file", v.token_file},
       {"sbatch", v.sbatch}};
  if (v.save_time_s) j["save_time_s"] = *v.save_time_s;
  if (v.workers) j["workers"] = *v.workers;
  if (!v.ca.empty()) j["ca"] = v.ca;
}
void from_json(const json& j, SlurmPoolRequest& v) {
  constexpr std::int64_t kDay = 86'400;
  constexpr std::size_t kMostWords = 64;
  constexpr std::size_t kMostCharacters = 1000;
  Reader(j, "pool")
      .need("name", v.name)
      .need("max_jobs", v.max_jobs)
      .need("time_limit_s", v.time_limit_s)
      .may("idle_timeout_s", v.idle_timeout_s)
      .may("save_time_s", v.save_time_s)
      .may("workers", v.workers)
      .need("url", v.url)
      .need("token_file", v.token_file)
      .may("ca", v.ca)
      .may("sbatch", v.sbatch)
      .end();
  check_pool_name(v.name);
  check_range("max_jobs", v.max_jobs, 1, 1000);
  check_range("time_limit_s", v.time_limit_s, 60, 3660 * kDay);
  check_range("idle_timeout_s", v.idle_timeout_s, 10, kDay);
  check_range("save_time_s", v.save_time_s.value_or(1), 1, kDay);
  check_range("workers", v.workers.value_or(1), 1, 1024);
  check_line("url", v.url, kMostCharacters);
  check_line("token_file", v.token_file, kMostCharacters);
  check_absolute("token_file", v.token_file);
  if (!v.ca.empty()) {
    check_line("ca", v.ca, kMostCharacters);
    check_absolute("ca", v.ca);
  }
  if (v.url.rfind("http://", 0) != 0 && v.url.rfind("https://", 0) != 0) {
    throw Error(ErrorCode::invalid,
                "'" + v.url + "' is no address of a coordinator; write http://HOST:PORT", "url");
  }
  if (v.sbatch.size() > kMostWords) {
    throw Error(ErrorCode::invalid,
                "sbatch takes up to " + std::to_string(kMostWords) + " further arguments here",
                "sbatch");
  }
  for (const std::string& word : v.sbatch) check_line("sbatch", word, kMostCharacters);
}

}  // namespace sarsweep
