#include "tests/load/points.h"

#include <fmt/format.h>

#include <functional>
#include <string_view>

namespace sarsweep::load {
namespace {

constexpr int kUnixMs = 1'700'000'000;  // the trainers' clock is nobody's business here
constexpr std::size_t kHours = 4;       // the key whose values must grow, and stay small

std::uint64_t mixed(std::uint64_t x) {  // splitmix64's last step
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

std::uint64_t number_of(std::string_view text) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

std::string axis(const char* field, double first, double step, int count) {
  std::string out = fmt::format("  {}: [", field);
  for (int i = 0; i < count; ++i) {
    out += fmt::format("{}{:.8g}", i == 0 ? "" : ", ", first + step * i);
  }
  return out + "]\n";
}

}  // namespace

double value_of(const std::string& run_id, std::size_t key, std::int64_t step) {
  if (key == kHours) return static_cast<double>(step) / 1048576;
  const std::uint64_t drawn = mixed(number_of(run_id) + mixed(static_cast<std::uint64_t>(step)) +
                                    key * 0x9e3779b97f4a7c15U);
  return static_cast<double>(drawn & 0xfffffU) / 65536;
}

std::string event_lines(const std::string& run_id, std::int64_t first, std::int64_t last) {
  std::string lines;
  for (std::int64_t step = first; step <= last; ++step) {
    lines += fmt::format(R"({{"step":{},"t":{}000,"type":"metrics","values":{{)", step, kUnixMs);
    for (std::size_t key = 0; key < kKeys.size(); ++key) {
      lines +=
          fmt::format(R"({}"{}":{})", key == 0 ? "" : ",", kKeys[key], value_of(run_id, key, step));
    }
    lines += "}}\n";
  }
  lines += fmt::format(R"({{"step":{},"t":{}000,"total_steps":100000,"type":"progress"}})", last,
                       kUnixMs);
  return lines + "\n";
}

std::string end_line(std::int64_t step) {
  return fmt::format(R"({{"exit_code":0,"reason":"","step":{},"t":{}000,"type":"end"}})", step,
                     kUnixMs) +
         "\n";
}

std::string sweep_text(int runs) {
  constexpr int kRow = 100;
  return fmt::format("version: 1\nsweep: {}\n", kSweep) +
         "objective: {metric: eval/kl_pooled, goal: minimize}\n"
         "report: [train/loss]\n"
         "limits: {gpu_hours: 1000000, max_failures: 100}\n"
         "base:\n"
         "  model.path: models/tiny\n"
         "  data: {path: data/mini, resolution: 64, stretch: mean3sigma}\n"
         "  unet: {mode: lora, rank: 4}\n"
         "  eval.protocol: mini-v1\n"
         "grid:\n" +
         axis("unet.lr", 1e-5, 1e-5, kRow) + axis("train.noise_offset", 0.001, 0.001, runs / kRow);
}

}  // namespace sarsweep::load
