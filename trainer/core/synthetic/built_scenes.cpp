#include <fmt/format.h>

#include <numbers>

#include "trainer/core/synthetic/scenes.h"

// Backscatter levels are guides for X band in dB: asphalt -20, water -21, bare ground -14, grass
// -10.5, quays and fronts -1.
namespace sarsweep::trainer::synthetic {
namespace {

constexpr Paint kGrass{-10.5, true};
constexpr Paint kAsphalt{-20, false};
constexpr Paint kWater{-21, false};
constexpr Paint kTrees{-8, true};

// "1 pier", "3 piers"
std::string counted(int n, const char* noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

// A band of asphalt through (x0, y0) at `angle` to the range axis.
void runway(Canvas& canvas, double x0, double y0, double angle, double width) {
  canvas.shade([&](double x, double y) -> std::optional<Paint> {
    const double beside = (y - y0) * std::cos(angle) - (x - x0) * std::sin(angle);
    return std::abs(beside) < width / 2 ? std::optional(kAsphalt) : std::nullopt;
  });
}

// A hull along the azimuth axis: bright, with strong reflectors and a short shadow.
void ship(Canvas& canvas, double x, double y, double length, Draws& draws) {
  const double beam = length / 6;
  canvas.box({x, y, beam, length}, {-6, false});
  canvas.box({x + beam, y, 5, length}, {-24, false});
  for (int i = 0; i < 3; ++i) {
    canvas.point(x + draws.between(0, beam), y + draws.between(0.1, 0.9) * length,
                 draws.between(6, 16), draws);
  }
}

}  // namespace

Scene draw_airport(int size, Draws& draws) {
  Canvas canvas(size, kGrass);
  const int runways = draws.count(1, 2);
  const int hangars = draws.count(1, 4);
  const double angle = draws.between(-0.6, 0.6);
  runway(canvas, 128, draws.between(60, 110), angle, draws.between(36, 48));
  if (runways == 2) runway(canvas, draws.between(90, 170), 100, angle + 1.2, 30);
  canvas.box({20, 170, 216, 20}, kAsphalt);  // The apron in front of the hangars.
  for (int i = 0; i < hangars; ++i) {
    const double x = 32 + 54 * i + draws.between(0, 10);
    canvas.building({x, 194, 30, draws.between(28, 44)}, draws.between(8, 12), draws);
  }
  return {canvas.finish(),
          fmt::format("A SAR image of an airport with {} and {}", counted(runways, "runway"),
                      counted(hangars, "hangar")),
          {{"runways", runways}, {"hangars", hangars}}};
}

Scene draw_structures(int size, Draws& draws) {
  Canvas canvas(size, {-14, false});
  const int tanks = draws.count(2, 6);
  const int masts = draws.count(1, 4);
  for (int i = 0; i < tanks; ++i) {
    const double x = 50 + 78 * (i % 3) + draws.between(-8, 8);
    const double y = 75 + 105 * (i / 3) + draws.between(-15, 15);
    canvas.tank(x, y, draws.between(15, 24), draws.between(9, 14), draws);
  }
  for (int i = 0; i < masts; ++i) {
    const double x = draws.between(12, 244);
    canvas.point(x, draws.between(12, 244), draws.between(12, 18), draws);
  }
  return {canvas.finish(),
          fmt::format("A SAR image of structures with {} and {}", counted(tanks, "tank"),
                      counted(masts, "mast")),
          {{"tanks", tanks}, {"masts", masts}}};
}

Scene draw_residential(int size, Draws& draws) {
  Canvas canvas(size, kGrass);
  const int streets = draws.count(1, 3);
  const int houses = draws.count(2, 5) * 2 * streets;
  const double spacing = kExtent / streets;
  for (int i = 0; i < streets; ++i) canvas.box({0, spacing * (i + 0.5) - 5, kExtent, 10}, kAsphalt);
  for (int i = 0; i < 3 * streets; ++i) {
    const double x = draws.between(0, kExtent);
    canvas.disc(x, draws.between(0, kExtent), draws.between(4, 9), kTrees);
  }
  const int per_side = houses / (2 * streets);
  for (int i = 0; i < houses; ++i) {
    const int street = i / (2 * per_side);
    const bool above = i % 2 == 0;
    const double middle = spacing * (street + 0.5);
    const double depth = draws.between(11, 16);
    const double x = kExtent / per_side * (i / 2 % per_side) + 14 + draws.between(0, 12);
    const double y = above ? middle - 12 - depth : middle + 12;
    canvas.building({x, y, draws.between(12, 18), depth}, draws.between(5, 8), draws);
  }
  return {canvas.finish(),
          fmt::format("A SAR image of a residential area with {} along {}",
                      counted(houses, "house"), counted(streets, "street")),
          {{"houses", houses}, {"streets", streets}}};
}

Scene draw_port(int size, Draws& draws) {
  Canvas canvas(size, kWater);
  const int piers = draws.count(1, 3);
  const int ships = draws.count(1, 5);
  canvas.box({205, 0, 51, kExtent}, {-13, false});
  canvas.box({200, 0, 5, kExtent}, {-2, false});  // The quay's face.
  for (int i = 0; i < piers; ++i) {
    const double y = kExtent / (piers + 1) * (i + 1) + draws.between(-8, 8);
    const double length = draws.between(80, 130);
    canvas.box({200 - length, y, length, 12}, {-12, false});
    canvas.box({196 - length, y, 4, 12}, {-1, false});
  }
  for (int i = 0; i < ships; ++i) {
    const double x = 20 + draws.between(0, 150);
    const double y = kExtent / ships * i + draws.between(4, 10);
    ship(canvas, x, y, draws.between(30, 45), draws);
  }
  for (int i = 0; i < 2; ++i) {
    canvas.building({218, 20 + 120.0 * i + draws.between(0, 40), 26, 40}, 9, draws);
  }
  return {canvas.finish(),
          fmt::format("A SAR image of a port with {} along {}", counted(ships, "ship"),
                      counted(piers, "pier")),
          {{"ships", ships}, {"piers", piers}}};
}

Scene draw_city(int size, Draws& draws) {
  Canvas canvas(size, {-17, false});
  const int columns = draws.count(2, 4);
  const int rows = draws.count(2, 5);
  const double across = kExtent / columns;
  const double along = kExtent / rows;
  for (int row = 0; row < rows; ++row) {
    canvas.box({0, along * row, kExtent, 12}, kAsphalt);
    for (int column = 0; column < columns; ++column) {
      const double x = across * column + 0.3 * across;
      const double y = along * row + 15;
      const double tall = draws.between(0.1, 0.25) * across;
      canvas.building(
          {x, y, draws.between(0.3, 0.4) * across, draws.between(0.6, 0.85) * (along - 15)}, tall,
          draws);
    }
  }
  return {canvas.finish(),
          fmt::format("A SAR image of a city with {} blocks", rows * columns),
          {{"blocks", rows * columns}}};
}

Scene draw_industrial(int size, Draws& draws) {
  Canvas canvas(size, {-16, false});
  const int halls = draws.count(1, 4);
  const int silos = draws.count(1, 5);
  for (int i = 0; i < halls; ++i) {
    const double x = 30 + 118.0 * (i % 2) + draws.between(0, 12);
    const double y = 14 + 92.0 * (i / 2) + draws.between(0, 8);
    canvas.building({x, y, draws.between(55, 75), draws.between(55, 76)}, draws.between(10, 15),
                    draws);
  }
  for (int i = 0; i < silos; ++i) {
    canvas.tank(30 + 46.0 * i + draws.between(0, 8), 222, draws.between(8, 12), 14, draws);
  }
  return {canvas.finish(),
          fmt::format("A SAR image of an industrial site with {} and {}", counted(halls, "hall"),
                      counted(silos, "silo")),
          {{"halls", halls}, {"silos", silos}}};
}

}  // namespace sarsweep::trainer::synthetic
