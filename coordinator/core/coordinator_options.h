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

}  // namespace sarsweep::coordinator
