#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

// Slurm as the coordinator sees it: unreliable. A reply may be lost although the request was
// carried out, and a job that is not shown may be there.
namespace sarsweep::coordinator {

// One job, in Slurm's words.
struct Sighting {
  std::string job_id;
  std::string name;
  std::string state;        // PENDING, RUNNING, TIMEOUT, …
  std::string reason = {};  // why it waits
};

struct QueueLook {
  bool answered = false;
  std::vector<Sighting> jobs = {};
  std::string trouble = {};  // why there is no answer
};

// A job to submit: a worker, by the name of its token.
struct JobOrder {
  std::string token;
  std::filesystem::path script;
  std::string worker_name;        // the script's argument
  std::string output;             // of the job, a pattern of sbatch
  std::int64_t time_limit_s = 0;  // rounded up to minutes
  std::vector<std::string> arguments = {};
};

struct SubmitOutcome {
  std::string job_id;   // empty: it is not known whether there is a job
  std::string trouble;  // and why
};

enum class Cancel {
  waiting,  // a job that has nothing to lose
  running   // its worker saves and leaves
};

class Slurm {
 public:
  virtual ~Slurm() = default;
  // Why nothing can be submitted here at all, with the cure; empty: it can.
  virtual std::string why_absent() const = 0;
  // Why sbatch would refuse this order; empty: it would not, or does not say in time.
  virtual std::string why_refused(const JobOrder& order) = 0;
  virtual SubmitOutcome submit(const JobOrder& order, const std::stop_token& stop) = 0;
  // The jobs of these names that the controller still knows, those included that have just ended.
  virtual QueueLook queue(const std::vector<std::string>& names, const std::stop_token& stop) = 0;
  // Likewise those that the accounting has recorded, where there is one.
  virtual QueueLook history(const std::vector<std::string>& names, const std::stop_token& stop) = 0;
  // Why it could not be asked for; empty: it was.
  virtual std::string cancel(const std::string& job_id, Cancel how,
                             const std::stop_token& stop) = 0;
};

}  // namespace sarsweep::coordinator
