#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "coordinator/client/api_client.h"
#include "schema/base/atomic_file.h"
#include "schema/base/clock.h"
#include "schema/base/error.h"
#include "schema/base/log.h"
#include "schema/base/shutdown_signal.h"
#include "schema/base/subprocess.h"
#include "schema/config/duration.h"
#include "worker/agent.h"
#include "worker/gpu_memory.h"
#include "worker/machine.h"
#include "worker/slurm_job.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::worker;
using client::ApiClient;
using nlohmann::json;

constexpr int kCallersFault = 2;
constexpr double kControlTimeout = 15;
constexpr double kDataTimeout = 60;  // seconds: an artifact may be large and the store slow

ApiFailure failure_of(const client::ApiFailure& failure) {
  // No reply: the request may be repeated, unless it could not even be made here.
  const bool local = failure.status == 0 && failure.code != ErrorCode::unreachable;
  if (local) return {ErrorCode::invalid, failure.message};
  // "Not found" ends a run, so only the coordinator itself may say it, not a proxy's page.
  const bool vague = failure.code == ErrorCode::not_found && !failure.body.is_object();
  return {vague ? ErrorCode::internal : failure.code, failure.message};
}

template <typename T>
ApiResult<T> reply_as(const client::Result<json>& reply) {
  if (!reply) return tl::unexpected(failure_of(reply.error()));
  try {
    return reply->get<T>();
  } catch (const std::exception& error) {
    return tl::unexpected(
        ApiFailure{ErrorCode::internal, std::string("a reply makes no sense: ") + error.what()});
  }
}

ApiResult<Nothing> done(const client::Result<json>& reply) {
  if (!reply) return tl::unexpected(failure_of(reply.error()));
  return Nothing{};
}

// The coordinator over HTTP: small requests at its public listener, streams at its data listener.
class HttpCoordinator final : public CoordinatorApi {
 public:
  // An empty `data_url` is asked for; one that is given stands, whatever the coordinator says.
  HttpCoordinator(const std::string& url, std::string token, const std::string& data_url,
                  std::filesystem::path ca)
      : control_(url, token, kControlTimeout, ca),
        token_(std::move(token)),
        ca_(std::move(ca)),
        knows_data_url_(!data_url.empty()) {
    if (knows_data_url_) connect_data(data_url);
  }

  ApiResult<RegisterReply> register_worker(const RegisterRequest& request) override {
    auto reply = reply_as<RegisterReply>(control_.post("/api/v1/workers/register", request));
    if (!reply) return reply;
    if (knows_data_url_) return reply;
    if (!reply->data_url.empty()) {
      connect_data(reply->data_url);
    } else if (data_client() == nullptr) {
      const auto info = control_.get("/api/v1/info");
      if (!info) return tl::unexpected(failure_of(info.error()));
      connect_data(info->value("data_url", control_.url()));
    }
    return reply;
  }
  ApiResult<LeaseReply> lease(const LeaseRequest& request) override {
    return reply_as<LeaseReply>(control_.post("/api/v1/workers/lease", request));
  }
  ApiResult<HeartbeatReply> heartbeat(const HeartbeatRequest& request) override {
    return reply_as<HeartbeatReply>(control_.post("/api/v1/workers/heartbeat", request));
  }
  ApiResult<Nothing> started(const LeaseKey& key) override {
    return done(control_.post("/api/v1/workers/started", key));
  }
  ApiResult<Nothing> leave(const std::string& worker_id, const std::string& incarnation) override {
    return done(control_.post("/api/v1/workers/leave",
                              {{"worker_id", worker_id}, {"incarnation", incarnation}}));
  }
  ApiResult<FinishAnswer> finish(const FinishRequest& request) override {
    const auto reply = control_.post("/api/v1/workers/finish", request);
    if (!reply && reply.error().body.is_object() && reply.error().body.contains("missing")) {
      FinishAnswer answer;
      const json& missing = reply.error().body["missing"];
      if (missing.is_object()) {
        answer.missing_artifacts = missing.value("artifacts", std::vector<std::string>{});
      }
      return answer;
    }
    const auto finished = reply_as<FinishReply>(reply);
    if (!finished) return tl::unexpected(finished.error());
    return FinishAnswer{true, finished->state, {}};
  }

  ApiResult<Appended> append_events(const LeaseKey& key, std::int64_t offset,
                                    std::string_view lines) override {
    return append("/api/v1/data/events", key, offset, lines);
  }
  ApiResult<Appended> append_log(const LeaseKey& key, std::int64_t offset,
                                 std::string_view bytes) override {
    return append("/api/v1/data/log", key, offset, bytes);
  }
  ApiResult<std::vector<std::string>> missing_artifacts(
      const LeaseKey& key, const std::vector<std::string>& sha256) override {
    const auto data = data_client();
    if (!data) return not_registered();
    const auto reply =
        data->post("/api/v1/data/missing",
                   {{"run_id", key.run_id}, {"lease_epoch", key.lease_epoch}, {"sha256", sha256}},
                   {{"X-Sarsweep-Grant", key.grant_token}});
    if (!reply) return tl::unexpected(failure_of(reply.error()));
    return reply->value("missing", std::vector<std::string>{});
  }
  ApiResult<Nothing> put_artifact(const LeaseKey& key, const std::string& sha256,
                                  const std::filesystem::path& file) override {
    const auto data = data_client();
    if (!data) return not_registered();
    return done(data->put_file("/api/v1/data/artifacts/" + sha256, lease_query(key), file,
                               key.grant_token));
  }

 private:
  static client::Query lease_query(const LeaseKey& key) {
    return {{"run_id", key.run_id}, {"lease_epoch", std::to_string(key.lease_epoch)}};
  }
  ApiResult<Appended> append(const std::string& path, const LeaseKey& key, std::int64_t offset,
                             std::string_view bytes) {
    client::Query query = lease_query(key);
    query.emplace_back("offset", std::to_string(offset));
    const auto data = data_client();
    if (!data) return not_registered();
    const auto reply = data->post_bytes(path, query, bytes, key.grant_token);
    if (reply) return Appended{true, reply->value("stored", offset)};
    const json& body = reply.error().body;
    if (body.is_object() && body.contains("stored") && body["stored"].is_number_integer()) {
      return Appended{false, body["stored"].get<std::int64_t>()};
    }
    return tl::unexpected(failure_of(reply.error()));
  }
  void connect_data(const std::string& url) {
    auto connection = std::make_shared<const ApiClient>(url, token_, kDataTimeout, ca_);
    data_.with([&](auto& data) { data = std::move(connection); });
  }
  // Absent until this process has registered; a taken-over run's writes wait for that.
  std::shared_ptr<const ApiClient> data_client() {
    return data_.with([](auto& data) { return data; });
  }
  static tl::unexpected<ApiFailure> not_registered() {
    return tl::unexpected(ApiFailure{ErrorCode::unreachable, "this worker is not registered yet"});
  }

  ApiClient control_;
  std::string token_;
  std::filesystem::path ca_;
  const bool knows_data_url_;
  Guarded<std::shared_ptr<const ApiClient>> data_;
};

struct Options {
  std::string url = "http://127.0.0.1:8765";
  std::string data_url;
  std::string ca;
  std::string token_file;
  std::string name = host_name();
  std::string home = ".sarsweep";
  std::string trainer = (program_folder() / "sarsweep-trainer").string();
  std::optional<int> workers;
  std::optional<std::chrono::seconds> time_left, save_time, idle_timeout;
  std::string slurm_token;
};

void add_duration(CLI::App& app, const char* name, std::optional<std::chrono::seconds>& value,
                  const char* help) {
  app.add_option_function<std::string>(
         name,
         [name, &value](const std::string& text) {
           const auto seconds = config::parse_duration(text);
           if (!seconds) {
             throw CLI::ValidationError(name,
                                        "'" + text + "' is no duration; write 4h, 90m or 30s");
           }
           value = std::chrono::seconds(*seconds);
         },
         help)
      ->type_name("DURATION");
}

void declare(CLI::App& app, Options& options) {
  app.add_option("--url", options.url, "Address of the coordinator")->envname("SARSWEEP_URL");
  app.add_option(
      "--data-url", options.data_url,
      "Address of its data listener as this machine reaches it (default: what the coordinator "
      "says)");
  app.add_option("--ca", options.ca,
                 "PEM file with the authority of https:// addresses (default: the system's)")
      ->envname("SARSWEEP_CA");
  app.add_option("--token-file", options.token_file, "File with the worker token")
      ->envname("SARSWEEP_TOKEN_FILE");
  app.add_option("--name", options.name, "Name of this worker, unique among the live ones")
      ->capture_default_str();
  app.add_option("--home", options.home, "Folder for this worker's own records")
      ->envname("SARSWEEP_HOME");
  app.add_option("--trainer", options.trainer, "The trainer program")->capture_default_str();
  app.add_option("--workers", options.workers,
                 "CPU slots; without it: a slot for each GPU, or one CPU slot where there is none");
  add_duration(app, "--time-left", options.time_left,
               "Until this machine is taken away, such as 4h; inside of a Slurm job the end of the "
               "job counts where it is earlier");
  add_duration(app, "--save-time", options.save_time,
               "How long before that runs begin to save (default: a tenth, 30s to 10m)");
  add_duration(app, "--idle-timeout", options.idle_timeout,
               "Leave after so long without a run (default: never)");
  app.add_option("--slurm-token", options.slurm_token,
                 "Name of the Slurm job that a pool submitted, and this worker is");
}

// When to drain, counted from now: the time that is left without what saving takes.
std::optional<std::chrono::milliseconds> time_to_work(const Options& options) {
  std::optional<std::chrono::seconds> left = slurm_time_left(system_clock());
  if (options.time_left) left = std::min(left.value_or(*options.time_left), *options.time_left);
  if (!left) {
    if (!options.save_time) return std::nullopt;
    throw Error(ErrorCode::invalid, "--save-time needs --time-left, or a Slurm job with a limit");
  }
  if (options.time_left && options.save_time && *options.save_time >= *options.time_left) {
    throw Error(ErrorCode::invalid, "--save-time takes all of --time-left; make it shorter");
  }
  const auto save = std::min(options.save_time.value_or(usual_save_time(*left)), *left / 2);
  spdlog::info("{} s are left here; runs save {} s before the end", left->count(), save.count());
  return *left - save;
}

std::optional<SlurmJob> job_of(const Options& options) {
  if (options.slurm_token.empty()) return std::nullopt;
  const std::string id = slurm_job_id();
  if (id.empty()) {
    throw Error(ErrorCode::invalid,
                "--slurm-token is for the job scripts of a pool: SLURM_JOB_ID is not set here");
  }
  return SlurmJob{options.slurm_token, id};
}

// A job's own folder goes with the job, unless a run's record is left in it.
void sweep_up(const Options& options) {
  std::error_code ignored;
  const std::filesystem::path folder =
      std::filesystem::path(options.home) / ("worker-" + options.name);
  std::filesystem::remove(folder / "attempts", ignored);
  if (std::filesystem::exists(folder / "attempts", ignored)) return;
  std::filesystem::remove(folder / "lock", ignored);
  std::filesystem::remove(folder, ignored);
  std::filesystem::remove(options.home, ignored);
}

// How much memory the GPU of each slot has.
void measure(std::vector<Slot>& slots, GpuProbe& probe) {
  const bool any = std::any_of(slots.begin(), slots.end(),
                               [](const Slot& slot) { return slot.device != "cpu"; });
  if (!any) return;
  const GpuLook look = probe.look();
  for (std::size_t i = 0; i < slots.size() && i < look.size(); ++i) {
    if (look[i]) slots[i].vram = look[i]->total;
    if (look[i]) continue;
    spdlog::warn("nobody can tell the memory of {}: runs with resources.vram do not come to it",
                 slots[i].device);
  }
}

std::string read_token(const Options& options) {
  const std::filesystem::path file = options.token_file.empty()
                                         ? std::filesystem::path(options.home) / "worker-token"
                                         : std::filesystem::path(options.token_file);
  std::string token = std::filesystem::exists(file) ? read_file(file) : "";
  while (!token.empty() && (token.back() == '\n' || token.back() == ' ')) token.pop_back();
  if (token.empty())
    spdlog::warn("no token in {}: only a coordinator without them answers", file.string());
  return token;
}

}  // namespace

int main(int argc, char** argv) try {
  // CUDA counts as nvidia-smi does, here and in the trainers; before there is a thread.
  setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 0);
  sarsweep::ShutdownSignal shutdown;
  sarsweep::start_log("sarsweep-worker");
  CLI::App app("Leases runs from a sarsweep coordinator and trains them on this machine.",
               "sarsweep-worker");
  Options options;
  declare(app, options);
  CLI11_PARSE(app, argc, argv);
  AgentOptions agent_options;
  agent_options.name = options.name;
  agent_options.home = options.home;
  agent_options.trainer = options.trainer;
  agent_options.mpirun = find_program("mpirun");
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const int gpus = visible_gpus(count_gpus(), visible);
  NvidiaSmi probe(find_program("nvidia-smi"), visible, gpus);
  agent_options.gpus = &probe;
  agent_options.slots = choose_slots(options.workers, gpus);
  measure(agent_options.slots, probe);
  agent_options.threads = threads_per_slot(agent_options.slots.size());
  agent_options.slurm_job = job_of(options);
  agent_options.time_left = time_to_work(options);
  agent_options.idle_timeout = options.idle_timeout;
  HttpCoordinator coordinator(options.url, read_token(options), options.data_url, options.ca);
  {
    Agent agent(agent_options, coordinator, system_clock());
    agent.run(shutdown.token());
  }
  if (agent_options.slurm_job) sweep_up(options);
  return 0;
} catch (const sarsweep::Error& error) {
  std::cerr << "sarsweep-worker: error: " << error.what() << '\n';
  return error.code() == sarsweep::ErrorCode::invalid ? kCallersFault : 1;
} catch (const std::exception& error) {
  std::cerr << "sarsweep-worker: internal error: " << error.what() << '\n';
  return 1;
}
