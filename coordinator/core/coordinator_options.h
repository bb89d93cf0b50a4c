#pragma once

#include <filesystem>

namespace sarsweep::coordinator {

struct CoordinatorOptions {
  std::filesystem::path home;   // database, tokens
  std::filesystem::path store;  // run directories and objects; default <home>/store
  double heartbeat_s = 5;
  double lease_s = 30;
  double regrant_after_s = 40;  // from the last heartbeat
  double restart_grace_s = 60;  // least time every lease gets after a restart
  double cancel_grace_s = 120;  // then a cancelling run is killed
};

// How long Slurm is waited for, in seconds.
struct SlurmOptions {
  double limit_s = 60;    // that one of its commands may take
  double doubt_s = 120;   // a job whose sbatch got no reply is looked for
  double vanish_s = 330;  // until a job that squeue no longer shows has ended
};

}  // namespace sarsweep::coordinator
