// A trainer that trains nothing: it reads what to do from config.fake of its run.json, so that
// tests meet every way in which a real one can end. `fake` holds
//   steps          updates to make, each with one metrics line; then the end event and exit 0
//   wait_for       a file to wait for before the end
//   behaviour      "" | "environment" | "hang" | "crash" | "ignore_sigterm" | "half_line" |
//                  "grandchild" | "sample"
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

volatile std::sig_atomic_t asked_to_stop = 0;

void note_stop(int) { asked_to_stop = 1; }

void pause_briefly() {
  const timespec moment{0, 5'000'000};
  nanosleep(&moment, nullptr);
}

class Events {
 public:
  explicit Events(const fs::path& run_dir) : out_(run_dir / "events.jsonl", std::ios::app) {}
  void write(json event) {
    event["t"] = 0;
    out_ << event.dump() << '\n' << std::flush;
  }
  void write_raw(const std::string& text) { out_ << text << std::flush; }
  int end(int exit_code, const std::string& reason, long step) {
    write({{"type", "end"}, {"exit_code", exit_code}, {"reason", reason}, {"step", step}});
    return exit_code;
  }

 private:
  std::ofstream out_;
};

// A child in a session of its own that outlives us and heeds nothing but SIGKILL.
void start_grandchild(const fs::path& run_dir) {
  if (fork() != 0) return;
  setsid();
  signal(SIGTERM, SIG_IGN);
  std::ofstream(run_dir / "grandchild.pid") << getpid() << std::flush;
  for (;;) pause();
}

// {"abc"} and its SHA-256, from FIPS 180-2.
void write_sample(const fs::path& run_dir, Events& events) {
  fs::create_directories(run_dir / "samples");
  std::ofstream(run_dir / "samples" / "0.png") << "abc";
  events.write({{"type", "sample"},
                {"step", 0},
                {"file", "samples/0.png"},
                {"prompt", "p"},
                {"seed", 0},
                {"bytes", 3},
                {"sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}});
}

int train(const fs::path& run_dir) {
  const json run = json::parse(std::ifstream(run_dir / "run.json"));
  const json fake = run.at("config").at("fake");
  const std::string behaviour = fake.value("behaviour", "");
  Events events(run_dir);
  std::ofstream log(run_dir / "trainer.log", std::ios::app);
  log << "on " << run.at("device").get<std::string>() << " with " << run.at("threads")
      << " threads\n"
      << std::flush;
  if (behaviour == "environment") {
    const char* spins = std::getenv("GOMP_SPINCOUNT");
    log << "GOMP_SPINCOUNT=" << (spins == nullptr ? "" : spins) << '\n' << std::flush;
  }
  if (behaviour == "ignore_sigterm") signal(SIGTERM, SIG_IGN);
  if (behaviour == "grandchild") start_grandchild(run_dir);
  if (behaviour == "sample") write_sample(run_dir, events);
  const long steps = fake.value("steps", 3L);
  for (long step = 1; step <= steps; ++step) {
    events.write({{"type", "metrics"},
                  {"step", step},
                  {"values", {{"train/loss", 1.0 / static_cast<double>(step)}}}});
  }
  if (behaviour == "half_line") events.write_raw("{\"type\": \"metr");
  if (behaviour == "crash") std::abort();
  std::ofstream(run_dir / "trained") << "yes" << std::flush;
  const std::string wait_for = fake.value("wait_for", "");
  while (behaviour == "hang" || behaviour == "ignore_sigterm" ||
         (!wait_for.empty() && !fs::exists(wait_for))) {
    if (asked_to_stop != 0) {
      events.write({{"type", "checkpoint"}, {"step", steps}, {"path", "checkpoints/x"}});
      return events.end(143, "stopped", steps);
    }
    pause_briefly();
  }
  log << "done, and a last line without its end" << std::flush;
  return events.end(0, "finished", steps);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || std::string(argv[1]) != "train") return 78;
  signal(SIGTERM, note_stop);
  signal(SIGUSR2, note_stop);
  return train(argv[2]);
}
