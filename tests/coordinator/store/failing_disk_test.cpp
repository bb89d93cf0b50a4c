// What becomes of the database when the disk under it fails.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>

#include "coordinator/store/database.h"
#include "schema/base/error.h"
#include "tests/support/file_limit.h"
#include "tests/support/temp_dir.h"

namespace sarsweep::coordinator {
namespace {

using testing::FileLimit;

void put(Database& database, const std::string& name) {
  database.write(Urgency::state, [&](Connection& c) {
    c.change("INSERT INTO metric_key (name) VALUES (?1)", {name});
  });
}

std::optional<std::string> find(const Database& database, const std::string& name) {
  return database.read(
      [&](Connection& c) { return c.text("SELECT name FROM metric_key WHERE name = ?1", {name}); });
}

// What a call is refused with; nullopt if it is not.
std::optional<ErrorCode> refusal_of(const std::function<void()>& call) {
  try {
    call();
    return std::nullopt;
  } catch (const Error& error) {
    return error.code();
  }
}

TEST(FailingDisk, NothingIsWrittenOrReadAfterAFaultAndAStartFindsWhatWasAcknowledged) {
  testing::TempDir folder;
  const auto file = folder.path() / "sarsweep.db";
  int told = 0;
  {
    Database database(file);
    database.on_failure([&told] { ++told; });
    put(database, "kept");
    {
      const FileLimit limit(std::filesystem::file_size(file.string() + "-wal"));
      EXPECT_EQ(refusal_of([&] { put(database, "lost"); }), ErrorCode::busy);
    }
    EXPECT_EQ(told, 1);
    ASSERT_TRUE(database.failure());
    EXPECT_NE(database.failure()->find("disk I/O error"), std::string::npos);
    EXPECT_EQ(refusal_of([&] { put(database, "late"); }), ErrorCode::busy);
    EXPECT_EQ(refusal_of([&] { find(database, "kept"); }), ErrorCode::busy);
    EXPECT_EQ(told, 1);
  }
  Database again(file);
  EXPECT_EQ(find(again, "kept"), "kept");
  EXPECT_EQ(find(again, "late"), std::nullopt);
  EXPECT_FALSE(again.failure());
}

TEST(FailingDisk, AFailedCheckpointStopsItThoughTheCommitStands) {
  constexpr std::size_t kLarge = 3U << 20U;  // more than a checkpoint waits for
  testing::TempDir folder;
  const auto file = folder.path() / "sarsweep.db";
  {
    std::promise<void> told;
    Database database(file);
    database.on_failure([&told] { told.set_value(); });
    for (const char letter : {'a', 'b', 'c', 'd'}) put(database, std::string(kLarge, letter));
    put(database, "settled");  // It comes after the checkpoint that the last large one asked for.
    const FileLimit limit(std::filesystem::file_size(file));  // The log is smaller.
    put(database, std::string(kLarge, 'e'));
    EXPECT_EQ(told.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
    EXPECT_EQ(refusal_of([&] { put(database, "late"); }), ErrorCode::busy);
  }
  EXPECT_TRUE(find(Database(file), std::string(kLarge, 'e')));
}

// The database may have `pages` from now on, as if the disk had no more.
void limit_pages(Database& database, std::int64_t pages) {
  database.write(Urgency::state, [&](Connection& c) {
    c.script("PRAGMA max_page_count = " + std::to_string(pages));
  });
}

std::int64_t pages_of(const Database& database) {
  return database.read([](Connection& c) { return c.integer("PRAGMA page_count"); }).value();
}

TEST(FailingDisk, AWorkThatMeetsAFullDiskLeavesNothingWhateverItDoesNext) {
  testing::TempDir folder;
  Database database(folder.path() / "sarsweep.db");
  limit_pages(database, pages_of(database));
  const std::string large(1U << 20U, 'x');
  EXPECT_EQ(refusal_of([&] { put(database, large); }), ErrorCode::no_space);
  const auto obstinate = [&](Connection& c) {
    try {
      c.change("INSERT INTO metric_key (name) VALUES (?1)", {large});
    } catch (const Error&) {  // SQLite may have rolled back by now, and what follows stands alone.
    }
    c.change("INSERT INTO metric_key (name) VALUES ('after')");
  };
  EXPECT_EQ(refusal_of([&] { database.write(Urgency::state, obstinate); }), ErrorCode::no_space);
  EXPECT_EQ(find(database, "after"), std::nullopt);
  EXPECT_FALSE(database.failure()) << "space may come back";
  limit_pages(database, 1'000'000);
  put(database, large);
  EXPECT_TRUE(find(database, large));
}

TEST(FailingDisk, TheReserveIsKeptWhereThereIsRoomAndGivenBackOnceForAState) {
  testing::TempDir folder;
  const auto reserve = folder.path() / "reserve";
  Database database(folder.path() / "sarsweep.db");
  ASSERT_TRUE(std::filesystem::exists(reserve));
  EXPECT_GT(std::filesystem::file_size(reserve), 0U);
  limit_pages(database, pages_of(database));
  const auto large = [](Connection& c) {
    c.change("INSERT INTO metric_key (name) VALUES (?1)", {std::string(1U << 20U, 'x')});
  };
  EXPECT_EQ(refusal_of([&] { database.write(Urgency::bulk, large); }), ErrorCode::no_space);
  EXPECT_TRUE(std::filesystem::exists(reserve)) << "not for bulk";
  EXPECT_EQ(refusal_of([&] { database.write(Urgency::state, large); }), ErrorCode::no_space);
  EXPECT_FALSE(std::filesystem::exists(reserve));
  database.refill_reserve();
  EXPECT_TRUE(std::filesystem::exists(reserve));
}

TEST(FailingDisk, ADamagedPageIsNotServed) {
  testing::TempDir folder;
  const auto file = folder.path() / "sarsweep.db";
  { Database database(file); }  // Closing it leaves everything in the one file.
  int told = 0;
  Database database(file);
  database.on_failure([&told] { ++told; });
  {
    std::fstream damage(file, std::ios::in | std::ios::out | std::ios::binary);
    damage.seekp(4096);
    damage << std::string(std::filesystem::file_size(file) - 4096, 'x');
  }
  EXPECT_EQ(refusal_of([&] { find(database, "kept"); }), ErrorCode::busy);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(refusal_of([&] { put(database, "late"); }), ErrorCode::busy);
}

}  // namespace
}  // namespace sarsweep::coordinator
