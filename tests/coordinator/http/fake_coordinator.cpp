// A coordinator that only remembers: linked in place of the real one, so that these tests are about
// HTTP alone.
#include <fstream>
#include <stdexcept>

#include "coordinator/core/coordinator.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {

struct Coordinator::Impl {
  CoordinatorOptions options;
};

Coordinator::Coordinator(CoordinatorOptions options, const Clock&, const SlurmOptions&)
    : impl_(std::make_unique<Impl>(Impl{std::move(options)})) {
  std::filesystem::create_directories(impl_->options.store / "incoming");
}
Coordinator::~Coordinator() = default;

nlohmann::json Coordinator::plan(const SweepSource& source) { return {{"echo", source.text}}; }
nlohmann::json Coordinator::import_wandb(const SweepSource& source) const {
  return {{"text", source.text}, {"diagnostics", nlohmann::json::array()}};
}
nlohmann::json Coordinator::submit(const SweepSource& source, const std::string& key,
                                   const std::string& actor, nlohmann::json* problems) {
  if (source.text == "bad") {
    *problems = {{"diagnostics", nlohmann::json::array({"wrong"})}};
    throw Error(ErrorCode::invalid, "plan: 1 error, 0 warnings; nothing submitted");
  }
  return {{"sweep", "s"}, {"key", key}, {"actor", actor}};
}
nlohmann::json Coordinator::apply_verb(const std::string& id, Verb verb, bool from_scratch,
                                       const std::string&) {
  return {{"id", id}, {"verb", to_string(verb)}, {"from_scratch", from_scratch}};
}
std::vector<std::string> Coordinator::why_not_ready() const {
  if (std::filesystem::exists(impl_->options.home / "full"))
    return {"3 MB free in the home folder"};
  return {};
}
nlohmann::json Coordinator::sweeps() const { return nlohmann::json::array(); }
nlohmann::json Coordinator::sweep(const std::string& name) const {
  if (name == "boom") throw std::runtime_error("a secret path");
  if (name == "full") throw Error(ErrorCode::no_space, "the disk is full");
  throw Error(ErrorCode::not_found, "no sweep '" + name + "'");
}
nlohmann::json Coordinator::runs(const RunFilter& filter) const {
  return {{"limit", filter.limit}};
}
nlohmann::json Coordinator::run(const std::string& id) const { return {{"id", id}}; }
nlohmann::json Coordinator::metrics(const std::string&, const std::vector<std::string>& keys, bool,
                                    std::int64_t) const {
  return keys;
}
nlohmann::json Coordinator::log(const std::string&, std::int64_t offset, std::int64_t,
                                std::optional<std::int64_t>) const {
  return {{"offset", offset}};
}
nlohmann::json Coordinator::samples(const std::string&) const { return nlohmann::json::array(); }
nlohmann::json Coordinator::events(const std::string&, std::int64_t) const {
  return nlohmann::json::array();
}
nlohmann::json Coordinator::why(const std::string& id) const { return {{"id", id}}; }
nlohmann::json Coordinator::evaluation(const std::string&) const {
  return nlohmann::json::object();
}
nlohmann::json Coordinator::leaderboard(const std::string&, const std::string&) const {
  return nlohmann::json::array();
}
nlohmann::json Coordinator::diff(const std::string& a, const std::string& b) const {
  return {{"a", {{"name", a}}},
          {"b", {{"name", b}}},
          {"config", nlohmann::json::array()},
          {"metrics", nlohmann::json::object()},
          {"floor", nlohmann::json::object()},
          {"computing", false}};
}
nlohmann::json Coordinator::queue(std::int64_t) const { return nlohmann::json::array(); }
nlohmann::json Coordinator::names(const std::string&) const { return nlohmann::json::array(); }
nlohmann::json Coordinator::workers() const { return nlohmann::json::array(); }
std::filesystem::path Coordinator::artifact(const std::string& digest) const {
  const auto file = impl_->options.store / digest;
  if (!std::filesystem::exists(file)) throw Error(ErrorCode::not_found, "no such artifact");
  return file;
}
nlohmann::json Coordinator::back_up() {
  return {{"file", "/backups/one.db"},
          {"bytes", 1},
          {"schema", 1},
          {"sweeps", 1},
          {"runs", 1},
          {"points", 1}};
}
nlohmann::json Coordinator::extend(const std::string& id, std::int64_t steps, const std::string&) {
  return {{"id", id},     {"name", "n"},          {"state", "queued"}, {"was", "done"},
          {"lifted", ""}, {"total_steps", steps}, {"undo", nullptr}};
}
nlohmann::json Coordinator::fork(const std::string& id, const ForkRequest& request,
                                 const std::string&, nlohmann::json*) {
  return {{"id", id},        {"name", request.name},
          {"sweep", "s"},    {"state", "queued"},
          {"parent", "s/p"}, {"checkpoint_step", request.step.value_or(0)},
          {"undo", nullptr}};
}
nlohmann::json Coordinator::collect_garbage(const GarbageRequest& request, const std::string&) {
  return {{"applied", request.apply},
          {"runs", nlohmann::json::array()},
          {"bytes", 0},
          {"free_bytes", nullptr},
          {"to_come", {{"runs", 0}, {"bytes", 0}, {"unknown", 0}}}};
}
nlohmann::json Coordinator::set_drain(const std::string& id, Drain drain, const std::string&) {
  return {{"id", id},
          {"name", "w"},
          {"drain", to_string(drain)},
          {"was", "none"},
          {"runs", nlohmann::json::array()},
          {"undo", nullptr}};
}
nlohmann::json Coordinator::slurm_pools() const { return nlohmann::json::array(); }
nlohmann::json Coordinator::add_slurm_pool(const SlurmPoolRequest& request, const std::string&) {
  return {{"name", request.name}};
}
nlohmann::json Coordinator::apply_pool_verb(const std::string& name, PoolVerb verb,
                                            const std::string&) {
  return {{"name", name}, {"verb", to_string(verb)}};
}
std::string Coordinator::prometheus() const { return "sarsweep_up 1\n"; }
RegisterReply Coordinator::register_worker(const RegisterRequest& request) {
  RegisterReply reply;
  reply.worker_id = request.name;
  return reply;
}
LeaseReply Coordinator::lease(const LeaseRequest&) { return {}; }
HeartbeatReply Coordinator::heartbeat(const HeartbeatRequest&) { return {}; }
void Coordinator::started(const LeaseKey&) {}
FinishOutcome Coordinator::finish(const FinishRequest&) {
  return {std::nullopt, {{"log_bytes", 3}}};
}
void Coordinator::leave(const std::string&, const std::string&) {}
DataOutcome Coordinator::append_events(const LeaseKey& key, std::int64_t offset,
                                       std::string_view lines) {
  if (key.grant_token != "grant") throw Error(ErrorCode::fenced, "not the current lease");
  if (offset != 0) return {false, 7};
  return {true, static_cast<std::int64_t>(lines.size())};
}
DataOutcome Coordinator::append_log(const LeaseKey&, std::int64_t offset, std::string_view) {
  return {true, offset};
}
std::vector<std::string> Coordinator::missing_artifacts(const LeaseKey&,
                                                        const std::vector<std::string>& digests) {
  return digests;
}
void Coordinator::admit_artifact(const LeaseKey& key) {
  if (key.grant_token != "grant") throw Error(ErrorCode::fenced, "not the current lease");
  if (!std::filesystem::is_empty(incoming_folder())) throw std::logic_error("asked too late");
}
void Coordinator::commit_artifact(const LeaseKey&, const std::string& digest,
                                  const std::filesystem::path& file) {
  if (sha256_file(file) != digest) throw Error(ErrorCode::invalid, "the bytes have another digest");
  std::filesystem::rename(file, impl_->options.store / digest);
}
std::filesystem::path Coordinator::incoming_folder() const {
  return impl_->options.store / "incoming";
}
void Coordinator::tick() {}
const CoordinatorOptions& Coordinator::options() const { return impl_->options; }

}  // namespace sarsweep::coordinator
