#pragma once

#include <filesystem>
#include <string>
#include <string_view>

// The run directory: the whole contract between worker and trainer. No sockets.
//
//   RUN_DIR = <store>/runs/<run_id>/e<lease_epoch>/, made empty for each grant, written by it
//   alone.
//
//   run.json        in   {run_id, name, lease_epoch, seed, device, devices?, threads, cache_dir,
//                         micro_halvings?, protocol{…}, config{nested, nothing omitted},
//                         resume: [{checkpoint, step, manifest_sha256}, … newest first] | [] |
//                         "auto"}
//                        paths are absolute; `threads` is the CPU thread count of all ranks
//                        together (0: the trainer's choice); `devices` has one for each of several
//                        ranks; the micro batch is halved `micro_halvings` times (0), down to 1
//   events.jsonl    out  append-only, one JSON object a line: {"t": unix_ms, "type": T, …}, by
//   type:
//                          stage       name, done, total
//                          metrics     step, values{key: number | "nan" | "inf" | "-inf"}
//                          checkpoint  step, path, manifest_sha256, bytes
//                          sample      step, file, prompt, seed, bytes, sha256
//                          eval        step, protocol_hash, file, bytes, sha256
//                          digests     data, model
//                          cache       key, images, encoded (0: found in the cache)
//                          progress    step, total_steps
//                          warning     message          error  code, message
//                          end         exit_code, reason, step, micro_batch? (where memory ran
//                                      out; outranks the process's exit code)
//                        bytes after the last newline are void when the attempt closes
//   checkpoints/step-00000500/   written as step-….tmp, fsync, manifest.json last, rename; without
//   a
//                        valid manifest it does not exist. The trainer never deletes one
//   samples/step-…/  eval/step-…/result.json  export/   trainer.log (also on stderr)
//
// Paths inside events are relative to RUN_DIR. Before each `eval` event comes one `metrics` event
// at that step with every top-level number of the result as `eval/<key>`.
//
// Signals: SIGTERM = checkpoint at the next update, exit 143 (in a stage without updates: stop
// within 5 s, nothing half-written, 143); SIGUSR1 = checkpoint now and go on. Under `mpirun -n N` a
// signal to any rank holds for all; mpirun itself hands SIGUSR1 and SIGUSR2 (= SIGTERM) on to them.
// Rank 0 alone writes. A rank that dies or hangs ends the job within 15 s: 75, or mpirun's own
// 128 + signal.
namespace sarsweep::run_dir {

inline constexpr std::string_view kRunJson = "run.json";
inline constexpr std::string_view kEvents = "events.jsonl";
inline constexpr std::string_view kLog = "trainer.log";
inline constexpr std::string_view kCheckpoints = "checkpoints";
inline constexpr std::string_view kManifest = "manifest.json";
inline constexpr std::string_view kSamples = "samples";
inline constexpr std::string_view kEval = "eval";
inline constexpr std::string_view kExport = "export";

// "step-00000500"
std::string step_name(long step);
// <store>/runs/<run_id>/e<lease_epoch>
std::filesystem::path attempt_dir(const std::filesystem::path& store, const std::string& run_id,
                                  long lease_epoch);

// How the trainer ends. Anything else is a failure on the run's own budget.
enum class ExitCode : int {
  done = 0,
  temporary = 75,  // infrastructure: retried on its own budget
  out_of_memory = 76,
  diverged = 77,    // failed at once
  bad_config = 78,  // failed at once
  stopped = 143     // after a checkpoint, by SIGTERM
};

}  // namespace sarsweep::run_dir
