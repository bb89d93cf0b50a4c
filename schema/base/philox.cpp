#include "schema/base/philox.h"

#include <cmath>
#include <numbers>

namespace sarsweep {
namespace {

constexpr std::uint32_t kMultiplier0 = 0xD2511F53;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85;

constexpr std::uint32_t high(std::uint64_t product) {
  return static_cast<std::uint32_t>(product >> 32);
}
constexpr std::uint32_t low(std::uint64_t product) { return static_cast<std::uint32_t>(product); }

// FNV-1a over the purpose, then mixed with the seed by one Philox block: two purposes never share a
// key.
std::uint64_t derive_key(std::uint64_t seed, std::string_view purpose) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : purpose) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  const auto words = philox4x32(seed, hash, 0x5ee'd000ULL);
  return (static_cast<std::uint64_t>(words[1]) << 32) | words[0];
}

double to_unit(std::uint64_t bits) {  // 52 bits, centred in their cell: never 0 and never 1.
  return (static_cast<double>(bits >> 12) + 0.5) * 0x1.0p-52;
}

std::pair<double, double> normal_pair(const std::array<std::uint32_t, 4>& w) {
  const double u1 = to_unit((static_cast<std::uint64_t>(w[1]) << 32) | w[0]);
  const double u2 = to_unit((static_cast<std::uint64_t>(w[3]) << 32) | w[2]);
  const double radius = std::sqrt(-2.0 * std::log(u1));
  const double angle = 2.0 * std::numbers::pi * u2;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::uint64_t key, std::uint64_t counter_low,
                                        std::uint64_t counter_high) {
  std::array<std::uint32_t, 4> c = {low(counter_low), high(counter_low), low(counter_high),
                                    high(counter_high)};
  std::uint32_t k0 = low(key);
  std::uint32_t k1 = high(key);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(kMultiplier0) * c[0];
    const std::uint64_t p1 = static_cast<std::uint64_t>(kMultiplier1) * c[2];
    c = {high(p1) ^ c[1] ^ k0, low(p1), high(p0) ^ c[3] ^ k1, low(p0)};
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return c;
}

RandomStream::RandomStream(std::uint64_t seed, std::string_view purpose, std::uint64_t index)
    : key_(derive_key(seed, purpose)), index_(index) {}

std::uint64_t RandomStream::bits(std::uint64_t i) const {
  const auto words = philox4x32(key_, i >> 1, index_);
  const int half = static_cast<int>(i & 1) * 2;
  return (static_cast<std::uint64_t>(words[static_cast<size_t>(half) + 1]) << 32) |
         words[static_cast<size_t>(half)];
}

double RandomStream::uniform(std::uint64_t i) const { return to_unit(bits(i)); }

double RandomStream::normal(std::uint64_t i) const {
  const auto pair = normal_pair(philox4x32(key_, i >> 1, index_));
  return (i & 1) != 0 ? pair.second : pair.first;
}

std::uint64_t RandomStream::below(std::uint64_t n, std::uint64_t i) const {
  return ((bits(i) >> 32) * n) >> 32;
}

void RandomStream::fill_normal(float* out, std::uint64_t count) const {
  for (std::uint64_t i = 0; i < count; i += 2) {
    const auto pair = normal_pair(philox4x32(key_, i >> 1, index_));
    out[i] = static_cast<float>(pair.first);
    if (i + 1 < count) out[i + 1] = static_cast<float>(pair.second);
  }
}

}  // namespace sarsweep
