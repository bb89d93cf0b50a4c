#include "worker/gpu_memory.h"

#include <spdlog/spdlog.h>

#include <array>
#include <charconv>
#include <chrono>
#include <sstream>
#include <utility>

#include "schema/base/command.h"
#include "schema/base/error.h"
#include "schema/base/log.h"

namespace sarsweep::worker {
namespace {

constexpr std::chrono::seconds kLimit{30};
constexpr std::int64_t kMebi = std::int64_t{1} << 20;

std::string trimmed(std::string text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::optional<std::int64_t> mebibytes(const std::string& text) {
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (!whole || value < 0 || value > (std::int64_t{1} << 30)) return std::nullopt;
  return value * kMebi;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(trimmed(part));
  return parts;
}

}  // namespace

std::optional<GpuLine> parse_gpu_line(const std::string& line) {
  const std::vector<std::string> parts = split(line);
  if (parts.size() != 4 || parts[0].empty()) return std::nullopt;
  const auto total = mebibytes(parts[2]), used = mebibytes(parts[3]);
  if (!total || !used || *total == 0) return std::nullopt;  // "[N/A]", as of an integrated GPU.
  return GpuLine{parts[0], parts[1], {*total, *used}};
}

NvidiaSmi::NvidiaSmi(std::filesystem::path program, const char* visible, int gpus)
    : program_(std::move(program)) {
  if (visible != nullptr) names_ = split(visible);
  for (int i = static_cast<int>(names_.size()); i < gpus; ++i) names_.push_back(std::to_string(i));
  names_.resize(static_cast<std::size_t>(gpus));
}

GpuLook NvidiaSmi::look() {
  GpuLook found(names_.size());
  if (program_.empty()) return found;
  try {
    const CommandOutcome said =
        run_command({program_.string(), "--query-gpu=index,uuid,memory.total,memory.used",
                     "--format=csv,noheader,nounits"},
                    kLimit);
    if (!said.succeeded()) {
      spdlog::warn("nvidia-smi does not tell the memory of the GPUs: {}",
                   printable(first_line(said.errors + said.output)));
      return found;
    }
    std::istringstream lines(said.output);
    for (std::string line; std::getline(lines, line);) {
      const auto gpu = parse_gpu_line(line);
      if (!gpu) continue;
      for (std::size_t i = 0; i < names_.size(); ++i) {
        const std::string& name = names_[i];
        const bool by_uuid = name.starts_with("GPU-") && gpu->uuid.starts_with(name);
        if (name == gpu->index || by_uuid) found[i] = gpu->memory;
      }
    }
  } catch (const Error& error) {
    spdlog::warn("nvidia-smi cannot be asked: {}", error.what());
  }
  return found;
}

}  // namespace sarsweep::worker
