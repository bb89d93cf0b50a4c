#pragma once

#include <cmath>
#include <optional>
#include <vector>

#include "trainer/core/synthetic/draws.h"
#include "trainer/core/synthetic/radar.h"

namespace sarsweep::trainer::synthetic {

inline constexpr double kExtent = 256;  // metres a side, whatever the number of pixels

struct Box {
  double x = 0, y = 0, width = 0,
         height = 0;  // metres; x in range (away from the sensor), y along it
};

struct Paint {
  double db = -14;     // backscatter
  bool rough = false;  // with gamma texture (vegetation)
};

// A height or shore line that varies slowly: a sum of random plane waves, about within [-1, 1].
class SmoothField {
 public:
  SmoothField(Draws& draws, int waves, double shortest, double longest);  // wavelengths in metres
  double at(double x, double y) const;

 private:
  struct Wave {
    double kx, ky, phase;
  };
  std::vector<Wave> waves_;
};

// Draws a scene in metres onto the reflectivity grid. Later paint covers earlier paint; what
// buildings do to the radar geometry (shadow away from the sensor, layover towards it) is laid on
// by `finish`, so that a shadow never hides a front that faces the sensor.
class Canvas {
 public:
  Canvas(int size, Paint ground);

  // `paint(x, y)` at each pixel's centre: nullopt leaves the pixel as it is.
  template <typename F>
  void shade(F&& paint) {
    for (int row = 0; row < scene_.size; ++row) {
      for (int col = 0; col < scene_.size; ++col) {
        const std::optional<Paint> here = paint((col + 0.5) * step_, (row + 0.5) * step_);
        if (here) set(row, col, *here);
      }
    }
  }
  void box(const Box& box, Paint paint);
  void disc(double x, double y, double radius, Paint paint);
  // A reflector of `db` with a random phase; outside the scene: nothing.
  void point(double x, double y, double db, Draws& draws);
  // A flat roof; a layover strip as wide as the building is high; shadow 1.3 times that; reflectors
  // of +5 to +20 dB where front and ground meet.
  void building(const Box& plan, double tall, Draws& draws);
  // The same of a round tank.
  void tank(double x, double y, double radius, double tall, Draws& draws);

  Reflectivity finish();

 private:
  struct Volume {
    Box plan;
    double tall, roof_db, front_db;
    bool round;
  };
  void set(int row, int col, Paint paint);
  enum class Part { shadow, roof, front };
  template <typename Covered>
  void cover(const Box& bounds, Paint paint, Covered&& covered);
  void lay(const Volume& volume, Part part);
  void add_corners(const Box& plan, int count, Draws& draws);

  Reflectivity scene_;
  double step_;  // metres a pixel
  std::vector<Volume> volumes_;
};

}  // namespace sarsweep::trainer::synthetic
