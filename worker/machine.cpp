#include "worker/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include "schema/base/error.h"

namespace sarsweep::worker {
namespace {

constexpr int kMostCpuSlots = 1024;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool is_gpu(const std::string& device) {
  const std::string prefix = "nvidia";
  return device.size() > prefix.size() && device.compare(0, prefix.size(), prefix) == 0 &&
         std::all_of(device.begin() + static_cast<std::ptrdiff_t>(prefix.size()), device.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

void check_worker_name(const std::string& name) {
  const bool fine = !name.empty() && name.size() <= 64 && name.front() != '.' &&
                    std::all_of(name.begin(), name.end(), is_name_character);
  if (!fine) {
    throw Error(ErrorCode::invalid,
                "'" + name + "' is no worker name; use up to 64 letters, digits, '.', '_', '-'",
                "name");
  }
}

int count_gpus(const std::filesystem::path& dev) {
  std::error_code failure;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dev, failure)) {
    if (is_gpu(entry.path().filename().string())) ++count;
  }
  return count;
}

int visible_gpus(int gpus, const char* value) {
  if (value == nullptr) return gpus;
  int visible = 0;
  std::istringstream names(value);
  for (std::string name; std::getline(names, name, ',');) {
    const bool names_one = !name.empty() && (std::isdigit(static_cast<unsigned char>(name[0])) ||
                                             name.starts_with("GPU-") || name.starts_with("MIG-"));
    if (!names_one) break;  // As CUDA reads it: what follows is not visible either.
    ++visible;
  }
  return std::min(gpus, visible);
}

std::vector<Slot> choose_slots(std::optional<int> cpu_slots, int gpus) {
  if (cpu_slots && (*cpu_slots < 1 || *cpu_slots > kMostCpuSlots)) {
    throw Error(ErrorCode::invalid,
                "--workers " + std::to_string(*cpu_slots) + " is not between 1 and " +
                    std::to_string(kMostCpuSlots),
                "workers");
  }
  const bool on_gpus = !cpu_slots && gpus > 0;
  const int count = on_gpus ? gpus : cpu_slots.value_or(1);
  std::vector<Slot> slots;
  for (int i = 0; i < count; ++i) {
    slots.push_back({i, on_gpus ? "cuda:" + std::to_string(i) : "cpu"});
  }
  return slots;
}

int threads_per_slot(std::size_t slots) {
  cpu_set_t allowed;
  const int cores = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  return std::max(1, cores / static_cast<int>(std::max<std::size_t>(1, slots)));
}

}  // namespace sarsweep::worker
