#include "trainer/core/synthetic/canvas.h"

#include <algorithm>
#include <numbers>

namespace sarsweep::trainer::synthetic {
namespace {

constexpr double kShadowDb = -24;
constexpr double kShadowPerHeight = 1.3;

double linear(double db) { return std::pow(10.0, db / 10); }

struct Edges {
  double near, far;  // in range, metres
};

// Where the line at `y` enters and leaves the plan; nullopt beside it.
std::optional<Edges> edges(const Box& plan, bool round, double y) {
  if (!round) {
    if (y < plan.y || y >= plan.y + plan.height) return std::nullopt;
    return Edges{plan.x, plan.x + plan.width};
  }
  const double radius = plan.width / 2;
  const double dy = y - (plan.y + radius);
  if (std::abs(dy) > radius) return std::nullopt;
  const double half = std::sqrt(radius * radius - dy * dy);
  return Edges{plan.x + radius - half, plan.x + radius + half};
}

bool inside(const Box& plan, bool round, double x, double y) {
  const std::optional<Edges> line = edges(plan, round, y);
  return line && x >= line->near && x < line->far;
}

}  // namespace

SmoothField::SmoothField(Draws& draws, int waves, double shortest, double longest) {
  for (int i = 0; i < waves; ++i) {
    const double wavelength = draws.between(shortest, longest);
    const double direction = draws.between(0, 2 * std::numbers::pi);
    const double k = 2 * std::numbers::pi / wavelength;
    waves_.push_back(
        {k * std::cos(direction), k * std::sin(direction), draws.between(0, 2 * std::numbers::pi)});
  }
}

double SmoothField::at(double x, double y) const {
  double sum = 0;
  for (const Wave& wave : waves_) sum += std::cos(wave.kx * x + wave.ky * y + wave.phase);
  return sum / std::sqrt(static_cast<double>(waves_.size()) * 2);
}

Canvas::Canvas(int size, Paint ground) : step_(kExtent / size) {
  scene_.size = size;
  const auto pixels = static_cast<std::size_t>(size) * size;
  scene_.sigma.assign(pixels, linear(ground.db));
  scene_.rough.assign(pixels, ground.rough ? 1 : 0);
}

void Canvas::set(int row, int col, Paint paint) {
  const std::size_t at = static_cast<std::size_t>(row) * scene_.size + col;
  scene_.sigma[at] = linear(paint.db);
  scene_.rough[at] = paint.rough ? 1 : 0;
}

// Visits only the pixels within `bounds`.
template <typename Covered>
void Canvas::cover(const Box& bounds, Paint paint, Covered&& covered) {
  const auto pixel = [&](double metres) {
    return std::clamp(static_cast<int>(std::floor(metres / step_)), 0, scene_.size);
  };
  const int rows = pixel(bounds.y + bounds.height + step_);
  const int cols = pixel(bounds.x + bounds.width + step_);
  for (int row = pixel(bounds.y); row < rows; ++row) {
    for (int col = pixel(bounds.x); col < cols; ++col) {
      if (covered((col + 0.5) * step_, (row + 0.5) * step_)) set(row, col, paint);
    }
  }
}

void Canvas::box(const Box& box, Paint paint) {
  cover(box, paint, [&](double x, double y) { return inside(box, false, x, y); });
}

void Canvas::disc(double x, double y, double radius, Paint paint) {
  const Box bounds{x - radius, y - radius, 2 * radius, 2 * radius};
  cover(bounds, paint, [&](double px, double py) { return inside(bounds, true, px, py); });
}

void Canvas::point(double x, double y, double db, Draws& draws) {
  const double phase = draws.between(0, 2 * std::numbers::pi);
  const int row = static_cast<int>(std::floor(y / step_));
  const int col = static_cast<int>(std::floor(x / step_));
  if (row < 0 || col < 0 || row >= scene_.size || col >= scene_.size) return;
  scene_.points.push_back({row, col, linear(db), phase});
}

void Canvas::add_corners(const Box& plan, int count, Draws& draws) {
  for (int i = 0; i < count; ++i) {
    const double y = plan.y + draws.between(0, plan.height);
    point(plan.x, y, draws.between(5, 20), draws);
  }
}

void Canvas::building(const Box& plan, double tall, Draws& draws) {
  volumes_.push_back({plan, tall, draws.between(-15, -12), draws.between(-5, 0), false});
  add_corners(plan, 1 + static_cast<int>(plan.height / 25), draws);
}

void Canvas::tank(double x, double y, double radius, double tall, Draws& draws) {
  const Box plan{x - radius, y - radius, 2 * radius, 2 * radius};
  volumes_.push_back({plan, tall, draws.between(-15, -12), draws.between(-5, 0), true});
  point(x - radius, y, draws.between(8, 18), draws);
}

void Canvas::lay(const Volume& volume, Part part) {
  const Box& plan = volume.plan;
  const double depth = part == Part::shadow ? kShadowPerHeight * volume.tall : volume.tall;
  const double db = part == Part::shadow ? kShadowDb
                    : part == Part::roof ? volume.roof_db
                                         : volume.front_db;
  const Box bounds{plan.x - depth, plan.y, plan.width + 2 * depth, plan.height};
  cover(bounds, {db, false}, [&](double x, double y) {
    const std::optional<Edges> line = edges(plan, volume.round, y);
    if (!line) return false;
    switch (part) {
      case Part::shadow: return x >= line->far && x < line->far + depth;
      case Part::roof: return x >= line->near && x < line->far;
      case Part::front: return x >= line->near - depth && x < line->near;
    }
    return false;
  });
}

Reflectivity Canvas::finish() {
  for (const Part part : {Part::shadow, Part::roof, Part::front}) {
    for (const Volume& volume : volumes_) lay(volume, part);
  }
  volumes_.clear();
  return std::move(scene_);
}

}  // namespace sarsweep::trainer::synthetic
