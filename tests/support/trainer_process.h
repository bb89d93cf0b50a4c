#pragma once

#include <functional>
#include <string>
#include <vector>

namespace sarsweep::tests {

// A program started by a test; killed by the destructor if it still runs.
class RunningProcess {
 public:
  explicit RunningProcess(const std::vector<std::string>& arguments);
  ~RunningProcess();
  RunningProcess(const RunningProcess&) = delete;
  RunningProcess& operator=(const RunningProcess&) = delete;

  int pid() const { return pid_; }  // -1 once it has ended
  void signal(int number) const;
  // Waits for the end. The exit code, or 128 + signal.
  int wait();
  // Looks at `condition` until it holds (true) or the process has ended or two minutes are over
  // (false).
  bool wait_until(const std::function<bool()>& condition);

 private:
  bool ended();  // without waiting
  int pid_ = -1;
  int status_ = -1;
};

}  // namespace sarsweep::tests
