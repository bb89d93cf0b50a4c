#include <fmt/format.h>

#include <algorithm>
#include <numbers>

#include "trainer/core/synthetic/scenes.h"

// Backscatter levels are guides for X band in dB: forest -8.5, grass -10.5, crops -14 to -7, sand
// -17, calm water -21.
namespace sarsweep::trainer::synthetic {
namespace {

constexpr Paint kForest{-8.5, true};
constexpr Paint kGrass{-10.5, true};
constexpr Paint kSand{-17, false};
constexpr double kTreeHeight = 12;

// "1 rock", "3 rocks"
std::string counted(int n, const char* noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

struct Clearing {
  double x, y, radius;
};

// A gap among trees: the edge near the sensor throws a shadow into it, the far edge shines.
std::optional<Paint> clearing_paint(const Clearing& clearing, double x, double y) {
  const double dy = y - clearing.y;
  if (std::abs(dy) > clearing.radius) return std::nullopt;
  const double half = std::sqrt(clearing.radius * clearing.radius - dy * dy);
  const double into = x - (clearing.x - half);
  if (into < 0 || into > 2 * half + kTreeHeight) return std::nullopt;
  if (into < 1.3 * kTreeHeight) return Paint{-22, false};
  if (into > 2 * half) return Paint{-4, true};
  return Paint{-13, false};
}

double mountain_db(double slope) {
  // Flat ground is seen at 40 degrees; a slope towards the sensor lowers the incidence.
  const double incidence = 40 - std::atan(slope) * 180 / std::numbers::pi;
  if (incidence > 75) return -24;
  const double radians = std::max(4.0, incidence) * std::numbers::pi / 180;
  return std::min(2.0, -13 + 10 * std::log10(std::cos(radians) / std::sin(radians)));
}

}  // namespace

Scene draw_forest(int size, Draws& draws) {
  Canvas canvas(size, kForest);
  const int clearings = draws.count(1, 4);
  for (int i = 0; i < clearings; ++i) {
    const Clearing clearing{draws.between(30, 226), draws.between(30, 226), draws.between(14, 34)};
    canvas.shade([&](double x, double y) { return clearing_paint(clearing, x, y); });
  }
  return {canvas.finish(),
          "A SAR image of a forest with " + counted(clearings, "clearing"),
          {{"clearings", clearings}}};
}

Scene draw_field(int size, Draws& draws) {
  Canvas canvas(size, {-11, false});
  const int parcels = draws.count(2, 6);
  const double angle = draws.between(-0.5, 0.5);
  std::vector<double> levels;
  for (int i = 0; i < parcels; ++i) levels.push_back(draws.between(-14, -7));
  const double offset = draws.between(-15, 15);
  canvas.shade([&](double x, double y) -> std::optional<Paint> {
    const double along = (y - 128) * std::cos(angle) + (x - 128) * std::sin(angle) + 128 + offset;
    const int parcel = static_cast<int>(std::floor(along / kExtent * parcels));
    const double furrow = 0.8 * std::sin(2 * std::numbers::pi * along / 9);
    return Paint{levels[std::clamp(parcel, 0, parcels - 1)] + furrow, true};
  });
  return {canvas.finish(),
          "A SAR image of a field with " + counted(parcels, "parcel"),
          {{"parcels", parcels}}};
}

Scene draw_beach(int size, Draws& draws) {
  Canvas canvas(size, kGrass);
  const bool left = draws.count(0, 1) == 0;
  const double shore = draws.between(90, 150);
  const double width = draws.between(30, 60);
  const double swell = draws.between(14, 26);
  const SmoothField bend(draws, 4, 120, 400);
  canvas.shade([&](double x, double y) -> std::optional<Paint> {
    const double from_sea = (left ? x : kExtent - x) - shore - 14 * bend.at(0, y);
    if (from_sea < -8) {
      return Paint{-19 + 1.5 * std::sin(2 * std::numbers::pi * from_sea / swell), false};
    }
    if (from_sea < 0) return Paint{-9, false};  // Surf.
    if (from_sea < width) return kSand;
    return kGrass;
  });
  const char* side = left ? "left" : "right";
  return {canvas.finish(),
          fmt::format("A SAR image of a beach with the sea on the {}", side),
          {{"sea", side}}};
}

Scene draw_seacoast(int size, Draws& draws) {
  Canvas canvas(size, {-20, false});
  const bool top = draws.count(0, 1) == 0;
  const int rocks = draws.count(1, 6);
  const double shore = draws.between(110, 150);
  const SmoothField ragged(draws, 8, 40, 220);
  const auto from_sea = [&](double x, double y) {
    return (top ? y : kExtent - y) - shore - 32 * ragged.at(x, 0.4 * y);
  };
  canvas.shade([&](double x, double y) -> std::optional<Paint> {
    const double inland = from_sea(x, y);
    if (inland < 0) return std::nullopt;
    if (inland < 7) return Paint{-3, true};  // Cliff.
    return Paint{-9.5, true};
  });
  for (int i = 0; i < rocks; ++i) {
    const double x = draws.between(15, 240);
    const double y = top ? draws.between(10, 80) : kExtent - draws.between(10, 80);
    const double radius = draws.between(4, 9);
    canvas.disc(x, y, radius, {-5, true});
    canvas.point(x - radius, y, draws.between(4, 12), draws);
  }
  const char* side = top ? "top" : "bottom";
  return {canvas.finish(),
          fmt::format("A SAR image of a seacoast with {} and the sea at the {}",
                      counted(rocks, "rock"), side),
          {{"rocks", rocks}, {"sea", side}}};
}

Scene draw_mountains(int size, Draws& draws) {
  Canvas canvas(size, {-12, false});
  const int ridges = draws.count(1, 4);
  const double wavelength = kExtent / ridges;
  const double tilt = draws.between(-0.5, 0.5);
  const double phase = draws.between(0, 2 * std::numbers::pi);
  const double steep = draws.between(0.7, 1.1);
  const SmoothField relief(draws, 10, 50, 300);
  canvas.shade([&](double x, double y) -> std::optional<Paint> {
    const double crest = 2 * std::numbers::pi * (x + tilt * y) / wavelength + phase;
    const double bumps = relief.at(x + 2, y) - relief.at(x - 2, y);
    return Paint{mountain_db(steep * std::cos(crest) + 2.0 * bumps), true};
  });
  return {canvas.finish(),
          "A SAR image of mountains with " + counted(ridges, "ridge"),
          {{"ridges", ridges}}};
}

}  // namespace sarsweep::trainer::synthetic
