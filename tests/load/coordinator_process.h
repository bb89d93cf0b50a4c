#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <string>

namespace sarsweep::load {

// A real sarsweep-coordinator with its home in a folder. One thread.
class CoordinatorProcess {
 public:
  CoordinatorProcess(std::filesystem::path program, std::filesystem::path home);
  ~CoordinatorProcess();  // SIGKILL, if it still runs.
  CoordinatorProcess(const CoordinatorProcess&) = delete;
  CoordinatorProcess& operator=(const CoordinatorProcess&) = delete;

  // Returns once it serves; throws Error(internal) where it ends instead, or says nothing for a
  // minute. After the first time it gets the ports it had then.
  void start();
  // Seconds from the start of the process until it calls itself ready.
  double restart();
  void kill();  // SIGKILL, and waits for its end.
  // SIGKILL from any thread, before this program ends.
  void abandon() const;

  const std::string& url() const { return url_; }
  const std::string& data_url() const { return data_url_; }
  std::string token(const char* file) const;  // "token", "worker-token"

  double memory_mb() const;       // now
  double most_memory_mb() const;  // since it started
  double cpu_seconds() const;     // of this process so far

 private:
  void launch();
  double status_mb(const std::string& field) const;

  const std::filesystem::path program_, home_;
  std::string url_, data_url_;
  std::atomic<pid_t> child_ = -1;
};

}  // namespace sarsweep::load
