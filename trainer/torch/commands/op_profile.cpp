#include "trainer/torch/commands/op_profile.h"

#include <ATen/record_function.h>

#include <algorithm>
#include <memory>

namespace sarsweep::trainer {
namespace {

// ATen's callbacks are plain functions: they find the profile here.
thread_local OpProfile* current = nullptr;

std::unique_ptr<at::ObserverContext> on_begin(const at::RecordFunction& /*op*/) {
  if (current != nullptr) current->begin();
  return nullptr;
}

void on_end(const at::RecordFunction& op, at::ObserverContext* /*context*/) {
  if (current != nullptr) current->end(op.name());
}

}  // namespace

OpProfile::OpProfile() {
  current = this;
  handle_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(on_begin, on_end).scopes({at::RecordScope::FUNCTION}));
}

OpProfile::~OpProfile() {
  at::removeCallback(handle_);
  current = nullptr;
}

void OpProfile::begin() { open_.push_back({Clock::now(), {}}); }

void OpProfile::end(const char* name) {
  if (open_.empty()) return;
  const Clock::duration whole = Clock::now() - open_.back().begun;
  const Clock::duration self = whole - open_.back().inner;
  open_.pop_back();
  if (!open_.empty()) open_.back().inner += whole;
  Row& row = rows_[name];
  row.name = name;
  ++row.calls;
  row.milliseconds += std::chrono::duration<double, std::milli>(self).count();
}

std::vector<OpProfile::Row> OpProfile::rows() const {
  std::vector<Row> rows;
  for (const auto& [name, row] : rows_) rows.push_back(row);
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.milliseconds != b.milliseconds ? a.milliseconds > b.milliseconds : a.name < b.name;
  });
  return rows;
}

}  // namespace sarsweep::trainer
