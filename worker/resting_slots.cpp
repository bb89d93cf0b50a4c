#include "worker/resting_slots.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "schema/config/size.h"

namespace sarsweep::worker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookAgain{2'000};
constexpr milliseconds kNothingRests{3'600'000};
constexpr std::int64_t kLittle = std::int64_t{1} << 30;  // what a driver and a desktop take

// The number of "cuda:3"; nullopt for what is no GPU.
std::optional<std::size_t> gpu_of(const Slot& slot) {
  if (!slot.device.starts_with("cuda:")) return std::nullopt;
  const char* begin = slot.device.data() + std::string_view("cuda:").size();
  std::size_t number = 0;
  const auto read = std::from_chars(begin, slot.device.data() + slot.device.size(), number);
  if (read.ec != std::errc()) return std::nullopt;
  return number;
}

}  // namespace

RestingSlots::RestingSlots(std::vector<Slot> slots, GpuProbe* probe, const Clock& clock)
    : slots_(std::move(slots)), probe_(probe), clock_(clock), next_look_(clock.steady()) {}

void RestingSlots::begin(const std::vector<int>& held) {
  for (const Slot& slot : slots_) {
    if (std::find(held.begin(), held.end(), slot.index) == held.end()) {
      lay_down({slot.index});
    } else {
      usual_[slot.index] = 0;  // Its own run has it now.
    }
  }
}

void RestingSlots::lay_down(const std::vector<int>& slots) {
  if (probe_ == nullptr) return;
  for (const int index : slots) {
    if (!gpu_of(slot(index))) continue;
    resting_.with([&](auto& resting) { resting[index] = {}; });
    next_look_ = clock_.steady();
  }
}

void RestingSlots::look() {
  const bool any = resting_.with([](const auto& resting) { return !resting.empty(); });
  if (!any || clock_.steady() < next_look_) return;
  const GpuLook look = probe_->look();
  next_look_ = clock_.steady() + kLookAgain;
  auto resting = resting_.with([](const auto& now) { return now; });
  for (auto at = resting.begin(); at != resting.end();) {
    Rest& rest = at->second;
    const std::string reason = why_not(slot(at->first), look, usual_.count(at->first) == 0);
    if (reason.empty()) {
      if (rest.looks > 1) spdlog::info("slot {}: its memory is free again", at->first);
      at = resting.erase(at);
      continue;
    }
    if (++rest.looks == 2) spdlog::warn("slot {} is not offered: {}", at->first, reason);
    rest.reason = reason;
    ++at;
  }
  resting_.with([&](auto& now) { now = std::move(resting); });
}

// A GPU that mostly serves others at the worker's start is theirs; what they have of it else, a
// desktop's screen say, does not count.
std::string RestingSlots::why_not(const Slot& slot, const GpuLook& look, bool first) {
  const std::size_t gpu = *gpu_of(slot);
  if (gpu >= look.size() || !look[gpu]) return {};
  const GpuMemory& memory = *look[gpu];
  if (first) usual_[slot.index] = memory.used <= memory.total / 2 ? memory.used : 0;
  const std::int64_t allowed = std::max(usual_[slot.index], memory.total / 32) + kLittle;
  if (memory.used <= std::min(allowed, memory.total / 2)) return {};
  return fmt::format("{} of its {} are in use", config::display_gib(memory.used),
                     config::display_gib(memory.total));
}

bool RestingSlots::contains(int slot) const {
  return resting_.with([slot](const auto& resting) { return resting.contains(slot); });
}

milliseconds RestingSlots::until_look() const {
  const bool any = resting_.with([](const auto& resting) { return !resting.empty(); });
  if (!any) return kNothingRests;
  const auto left = std::chrono::ceil<milliseconds>(next_look_ - clock_.steady());
  return std::clamp(left, milliseconds(1), kLookAgain);
}

std::vector<RestingSlot> RestingSlots::in_use() const {
  std::vector<RestingSlot> all;
  resting_.with([&](const auto& resting) {
    for (const auto& [index, rest] : resting) {
      if (!rest.reason.empty()) all.push_back({index, rest.reason});
    }
  });
  return all;
}

const Slot& RestingSlots::slot(int index) const {
  return *std::find_if(slots_.begin(), slots_.end(),
                       [index](const Slot& slot) { return slot.index == index; });
}

}  // namespace sarsweep::worker
