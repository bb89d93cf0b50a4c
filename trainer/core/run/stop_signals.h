#pragma once

namespace sarsweep::trainer {

// SIGTERM, SIGINT and SIGUSR2 (checkpoint and leave) and SIGUSR1 (checkpoint and go on), taken
// synchronously at the points where the work can stop: no signal interrupts a step. SIGUSR2 is
// there for mpirun, which hands it on to all ranks; asked by SIGTERM it kills them within a second.
// Build it before any thread exists, so that all inherit the blocked mask. Confined to the main
// thread.
class StopSignals {
 public:
  StopSignals();
  // True from the first SIGTERM, SIGINT or SIGUSR2 on.
  bool stop_requested();
  // True once per burst of SIGUSR1.
  bool take_checkpoint_request();

 private:
  void drain();
  bool stop_ = false, checkpoint_ = false;
};

}  // namespace sarsweep::trainer
