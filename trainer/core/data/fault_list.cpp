#include "trainer/core/data/fault_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sarsweep::trainer {
namespace {

constexpr std::size_t kNamed = 10;

}  // namespace

void FaultList::keep(const Error& error) {
  if (error.code() != ErrorCode::invalid && error.code() != ErrorCode::not_found) throw error;
  ++count_;
  if (!first_) first_ = error;
  if (messages_.size() < kNamed) messages_.emplace_back(error.what());
}

void FaultList::throw_if_any() const {
  if (count_ == 0) return;
  if (count_ == 1) throw *first_;
  const std::string more =
      count_ > kNamed ? fmt::format(" | and {} more", count_ - kNamed) : std::string();
  throw Error(ErrorCode::invalid,
              fmt::format("{} of {} pictures cannot be used: {}{}", count_, looked_,
                          fmt::join(messages_, " | "), more),
              first_->field());
}

}  // namespace sarsweep::trainer
