#include "tests/load/campaign.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "tests/load/audit.h"
#include "tests/load/patience.h"
#include "tests/load/points.h"

namespace sarsweep::load {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::chrono::minutes kLongestEnd(30);
constexpr std::chrono::seconds kViewerLooks(2);  // as the dashboard does
constexpr double kSubmitPatience = 120;          // seconds
constexpr int kTailSeconds = 30;                 // of a run's share: before and behind the window

double seconds_since(TimePoint began) {
  return std::chrono::duration<double>(SteadyClock::now() - began).count();
}

void say(const std::string& text) {
  fmt::print(stderr, "{}\n", text);
  std::fflush(stderr);
}

}  // namespace

// The workers and what they stand on, torn down in reverse.
struct Campaign::Stage {
  client::ApiClient control, data;
  Surroundings surroundings;
  std::vector<std::unique_ptr<SimulatedWorker>> workers;
  Timetable timetable;

  Stage(const CoordinatorProcess& process, Latencies& latencies, Ledger& ledger, Pace pace,
        int threads)
      : control(process.url(), process.token("worker-token")),
        data(process.data_url(), process.token("worker-token"), 60),
        surroundings{control, data, timetable, latencies, ledger, pace},
        timetable(threads) {}
};

Campaign::Campaign(CampaignOptions options)
    : options_(std::move(options)), process_(options_.coordinator, options_.home) {
  process_.start();
}
Campaign::~Campaign() = default;

client::ApiClient Campaign::viewer() const {
  return {process_.url(), process_.token("token"), kSubmitPatience};
}

double Campaign::submit() {
  const SweepSource source{.text = sweep_text(options_.runs),
                           .file = "load.yaml",
                           .dir = "/tmp",
                           .cwd = "/tmp",
                           .set = {},
                           .files = {}};
  const TimePoint began = SteadyClock::now();
  const json reply = client::value_or_throw(
      viewer().post("/api/v1/sweeps", source, {{"Idempotency-Key", random_hex(16)}}));
  const double took = seconds_since(began);
  if (reply.at("created") != options_.runs) {
    throw Error(ErrorCode::internal,
                fmt::format("{} runs were wanted: {}", options_.runs, reply.at("created").dump()));
  }
  say(fmt::format("submitted {} runs in {:.2f} s; the coordinator has {:.0f} MB, at most {:.0f}",
                  options_.runs, took, process_.memory_mb(), process_.most_memory_mb()));
  return took;
}

// The workers, begun one after the other over `spread`.
void Campaign::begin(Pace pace, milliseconds spread) {
  stage_ = std::make_unique<Stage>(process_, latencies_, ledger_, pace, options_.threads);
  const TimePoint start = SteadyClock::now();
  for (int i = 0; i < options_.workers; ++i) {
    stage_->workers.push_back(std::make_unique<SimulatedWorker>(stage_->surroundings, i));
    stage_->workers.back()->begin(start + spread * i / options_.workers);
  }
}

// The window: latencies count, memory is looked at, and somebody has the dashboard open.
void Campaign::watch(std::chrono::seconds time) {
  const client::ApiClient client = viewer();
  const double cpu_before = process_.cpu_seconds();
  const TimePoint began = SteadyClock::now();
  TimePoint look = began;
  latencies_.open();
  while (SteadyClock::now() < began + time) {
    const TimePoint due = look;
    if (client.get("/api/v1/sweeps")) {
      latencies_.add(Request::overview, due, SteadyClock::now());
    }
    memory_mb_ = std::max(memory_mb_, process_.memory_mb());
    look = std::min(std::max(due + kViewerLooks, SteadyClock::now()), began + time);
    pass(std::chrono::duration_cast<milliseconds>(look - SteadyClock::now()));
  }
  latencies_.close();
  cores_ = (process_.cpu_seconds() - cpu_before) / seconds_since(began);
}

// The workers end the runs they have and leave.
void Campaign::finish_work() {
  stage_->surroundings.closing = true;
  await(kLongestEnd, "every worker has left", [&] { return stage_->surroundings.working == 0; });
  stage_.reset();
  const std::vector<std::string> faults = ledger_.faults();
  faults_.insert(faults_.end(), faults.begin(), faults.end());
  for (const auto& [what, times] : ledger_.unanswered()) {
    say(fmt::format("without an answer, sent again: {} times {}", times, what));
  }
}

std::string Campaign::audited() {
  const TimePoint began = SteadyClock::now();
  const Audit found = audit(viewer(), ledger_);
  faults_.insert(faults_.end(), found.faults.begin(), found.faults.end());
  say(fmt::format("looked at {} points of {} runs in {:.0f} s", found.points, found.runs,
                  seconds_since(began)));
  if (found.points < ledger_.acknowledged_points()) {
    faults_.push_back(fmt::format("{} points are stored, {} were acknowledged", found.points,
                                  ledger_.acknowledged_points()));
  }
  return fmt::format("{} leases lost, all {} points of {} runs there once", found.lost_leases,
                     found.points, found.runs);
}

// SIGKILL, and how soon everything answers again.
std::string Campaign::restarted() {
  const std::string run = ledger_.accounts().begin()->first;
  process_.kill();
  const TimePoint began = SteadyClock::now();
  const double ready = process_.restart();
  const client::ApiClient client = viewer();
  client::value_or_throw(client.get("/api/v1/sweeps"));
  const double overview = seconds_since(began);
  client::value_or_throw(client.get("/api/v1/runs/" + run + "/metrics"));
  return fmt::format("ready in {:.2f} s, overview in {:.2f}, a run's metrics in {:.2f}", ready,
                     overview, seconds_since(began));
}

std::string Campaign::latency(Request request) const {
  const Spread spread = latencies_.of(request);
  return fmt::format("{} p50 {:.1f} p99 {:.1f} max {:.0f} ms", to_string(request), spread.median,
                     spread.p99, spread.most);
}

std::string Campaign::steady() {
  Pace pace;
  const int share = std::max(1, options_.runs / options_.workers);
  pace.batches_per_run = options_.batches > 0
                             ? options_.batches
                             : std::max(13, (options_.seconds + kTailSeconds + share - 1) / share);
  const double submitted = submit();
  const milliseconds spread = pace.between_batches * pace.batches_per_run;
  begin(pace, spread);
  pass(spread + pace.between_batches);
  const std::int64_t runs_before = ledger_.finished_runs();
  const std::int64_t points_before = ledger_.acknowledged_points();
  const TimePoint opened = SteadyClock::now();
  watch(std::chrono::seconds(options_.seconds));
  const double rate =
      static_cast<double>(ledger_.acknowledged_points() - points_before) / seconds_since(opened);
  const std::int64_t runs = ledger_.finished_runs() - runs_before;
  const std::string again = restarted();
  finish_work();
  for (const Request request : kRequests) {
    say(fmt::format("{} ({} times)", latency(request), latencies_.of(request).count));
  }
  return fmt::format(
      "{} workers, {} runs submitted in {:.2f} s, {:.0f} points/s, {} runs ended: {}; {}; {}; "
      "coordinator at most {:.0f} MB and {:.2f} cores; killed: {}; {}",
      options_.workers, options_.runs, submitted, rate, runs, latency(Request::heartbeat),
      latency(Request::claim), latency(Request::events), memory_mb_, cores_, again, audited());
}

std::string Campaign::peak() {
  constexpr int kLongRun = 40;
  Pace pace{.steps_per_batch = 50, .batches_per_run = kLongRun, .between_batches = milliseconds(0)};
  if (options_.batches > 0) pace.batches_per_run = options_.batches;
  submit();
  begin(pace, milliseconds(1000));
  pass(milliseconds(2000));
  const std::int64_t before = ledger_.acknowledged_points();
  const TimePoint opened = SteadyClock::now();
  watch(std::chrono::seconds(options_.seconds));
  const double rate =
      static_cast<double>(ledger_.acknowledged_points() - before) / seconds_since(opened);
  finish_work();
  return fmt::format(
      "{} workers, {:.0f} points/s; {}; {}; coordinator at most {:.0f} MB and {:.2f} "
      "cores; {}",
      options_.workers, rate, latency(Request::heartbeat), latency(Request::claim), memory_mb_,
      cores_, audited());
}

std::string Campaign::restart() {
  const Pace pace{.steps_per_batch = 200, .batches_per_run = 1, .between_batches = milliseconds(0)};
  submit();
  const TimePoint began = SteadyClock::now();
  begin(pace, milliseconds(0));
  await(kLongestEnd, "every run is done",
        [&] { return ledger_.finished_runs() == options_.runs || !ledger_.faults().empty(); });
  say(fmt::format("{} runs with {} points in {:.0f} s", ledger_.finished_runs(),
                  ledger_.acknowledged_points(), seconds_since(began)));
  finish_work();
  std::vector<std::string> times;
  for (int i = 0; i < options_.restarts; ++i) times.push_back(restarted());
  return fmt::format("{} runs, {} points, killed {} times: {}; {}", options_.runs,
                     ledger_.acknowledged_points(), options_.restarts, fmt::join(times, "; "),
                     audited());
}

}  // namespace sarsweep::load
