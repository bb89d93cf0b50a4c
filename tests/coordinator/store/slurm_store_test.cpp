#include "coordinator/store/slurm_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "coordinator/store/database.h"
#include "coordinator/store/worker_store.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

class SlurmStores : public testing::Test {
 protected:
  SlurmStores() {
    std::string name = (std::filesystem::temp_directory_path() / "sarsweep-store-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::internal, "mkdtemp failed");
    folder_ = name;
    connection_.emplace(folder_ / "sarsweep.db", Connection::Access::write);
    migrate(*connection_);
    pool_ = store().add_pool({.name = "gpu", .request = "{}", .created_ms = 5});
  }
  ~SlurmStores() override {
    connection_.reset();
    std::filesystem::remove_all(folder_);
  }
  SlurmStore store() { return SlurmStore(*connection_); }
  std::int64_t add_job(int number, std::int64_t now_ms = 7) {
    return store().add_job({.pool = pool_,
                            .token = fmt::format("t{}", number),
                            .worker_name = "gpu-1",
                            .created_ms = now_ms});
  }

  std::filesystem::path folder_;
  std::optional<Connection> connection_;
  std::int64_t pool_ = 0;
};

TEST_F(SlurmStores, KeepPoolsByName) {
  const SlurmPoolRow pool = store().find_pool("gpu").value();
  EXPECT_EQ(pool.state, PoolState::active);
  EXPECT_EQ(pool.created_ms, 5);
  EXPECT_FALSE(pool.slots);
  EXPECT_FALSE(store().find_pool("cpu"));
  try {
    store().add_pool({.name = "gpu", .request = "{}"});
    FAIL() << "two pools of one name";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::conflict);
  }
}

TEST_F(SlurmStores, AResumedPoolHasNoFailuresBehindIt) {
  store().set_failures(pool_, 4);
  store().set_state(pool_, PoolState::paused, "why");
  EXPECT_EQ(store().find_pool("gpu")->failures, 4);
  EXPECT_EQ(store().find_pool("gpu")->reason, "why");
  store().set_state(pool_, PoolState::active, "");
  EXPECT_EQ(store().find_pool("gpu")->failures, 0);
}

TEST_F(SlurmStores, AJobIsFoundByItsTokenAndKeepsWhatIsSaved) {
  add_job(1);
  SlurmJobRow job = store().find_token("t1").value();
  EXPECT_EQ(job.state, SlurmJobState::submitting);
  EXPECT_EQ(job.worker_name, "gpu-1");
  EXPECT_EQ(job.job_id, "");
  job.worker = connection_->integer("SELECT id FROM worker WHERE name = ?1", {"none"});
  EXPECT_FALSE(job.worker);
  WorkerStore(*connection_).save({.uid = "w1", .name = "gpu-1", .incarnation = "1", .host = "h"});
  job.worker = connection_->integer("SELECT id FROM worker WHERE name = ?1", {"gpu-1"});
  job.state = SlurmJobState::ended;
  job.job_id = "12";
  job.reason = "TIMEOUT";
  job.ended_ms = 9;
  store().save(job);
  const SlurmJobRow again = store().find_token("t1").value();
  EXPECT_EQ(again.state, SlurmJobState::ended);
  EXPECT_EQ(again.job_id, "12");
  EXPECT_EQ(again.worker, job.worker);
  EXPECT_EQ(again.reason, "TIMEOUT");
  EXPECT_EQ(again.ended_ms, 9);
  EXPECT_TRUE(store().is_of_a_job(*job.worker));
  EXPECT_FALSE(store().is_of_a_job(*job.worker + 1));
}

TEST_F(SlurmStores, OnlyTheNewestOfWhatHasEndedIsKept) {
  for (int i = 0; i < 30; ++i) {
    add_job(i);
    SlurmJobRow job = store().find_token(fmt::format("t{}", i)).value();
    if (i == 3) continue;  // this one is alive
    job.state = i % 2 == 0 ? SlurmJobState::ended : SlurmJobState::lost;
    job.ended_ms = 9;
    store().save(job);
  }
  add_job(30);
  const std::vector<SlurmJobRow> jobs = store().jobs(pool_);
  EXPECT_EQ(jobs.size(), 22U);
  EXPECT_EQ(jobs.front().token, "t3");
  EXPECT_EQ(jobs.back().token, "t30");
  store().erase_pool(pool_);
  EXPECT_TRUE(store().jobs(pool_).empty());
  EXPECT_TRUE(store().pools().empty());
}

TEST_F(SlurmStores, KnowEveryStateAndNoOther) {
  add_job(1);
  for (const SlurmJobState state : kSlurmJobStates) {
    SlurmJobRow job = store().find_token("t1").value();
    job.state = state;
    job.job_id = "12";
    job.ended_ms = is_alive(state) ? std::optional<std::int64_t>() : 9;
    store().save(job);
    EXPECT_EQ(store().find_token("t1")->state, state);
  }
  for (const PoolState state : kPoolStates) {
    store().set_state(pool_, state, "");
    EXPECT_EQ(store().find_pool("gpu")->state, state);
  }
  EXPECT_THROW(connection_->change("UPDATE slurm_job SET state = 'asleep'"), Error);
  EXPECT_THROW(connection_->change("UPDATE slurm_pool SET state = 'asleep'"), Error);
  EXPECT_THROW(connection_->change("UPDATE slurm_job SET state = 'running', ended_ms = 1"), Error);
  EXPECT_THROW(
      connection_->change("UPDATE slurm_job SET state = 'running', ended_ms = NULL, job_id = NULL"),
      Error);
}

}  // namespace
}  // namespace sarsweep::coordinator
