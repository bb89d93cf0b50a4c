#include "tests/load/ledger.h"

#include <fmt/format.h>

#include "tests/load/points.h"

namespace sarsweep::load {

void Ledger::granted(const std::string& run_id, std::int64_t epoch) {
  books_.with([&](Books& books) {
    const auto [place, fresh] = books.accounts.try_emplace(run_id, Account{.epoch = epoch});
    if (fresh) return;
    books.faults.push_back(
        fmt::format("run {} was granted at epoch {} and again at {}: its lease was lost", run_id,
                    place->second.epoch, epoch));
  });
}

void Ledger::sent(const std::string& run_id, std::int64_t steps) {
  books_.with([&](Books& books) { books.accounts[run_id].sent_steps = steps; });
}

void Ledger::acknowledged(const std::string& run_id, std::int64_t steps) {
  books_.with([&](Books& books) {
    Account& account = books.accounts[run_id];
    books.acknowledged_steps += steps - account.acknowledged_steps;
    account.acknowledged_steps = steps;
  });
}

void Ledger::finished(const std::string& run_id) {
  books_.with([&](Books& books) {
    books.accounts[run_id].finished = true;
    ++books.finished_runs;
  });
}

void Ledger::fault(const std::string& what) {
  books_.with([&](Books& books) { books.faults.push_back(what); });
}

void Ledger::unanswered(const std::string& what) {
  books_.with([&](Books& books) { ++books.unanswered[what]; });
}

std::map<std::string, Account> Ledger::accounts() const {
  return books_.with([](const Books& books) { return books.accounts; });
}

std::int64_t Ledger::acknowledged_points() const {
  return books_.with([](const Books& books) { return books.acknowledged_steps; }) *
         static_cast<std::int64_t>(kKeys.size());
}

std::int64_t Ledger::finished_runs() const {
  return books_.with([](const Books& books) { return books.finished_runs; });
}

std::vector<std::string> Ledger::faults() const {
  return books_.with([](const Books& books) { return books.faults; });
}

std::map<std::string, int> Ledger::unanswered() const {
  return books_.with([](const Books& books) { return books.unanswered; });
}

}  // namespace sarsweep::load
