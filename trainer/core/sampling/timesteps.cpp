#include "trainer/core/sampling/timesteps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

[[noreturn]] void refuse(const char* field, const std::string& reason) {
  throw Error(ErrorCode::invalid, reason, field);
}

// The last of `count` points evenly from 0 to `stop` comes first, as numpy.linspace places them.
std::vector<double> evenly(double stop, int count) {
  std::vector<double> points(static_cast<std::size_t>(count));
  const double stride = count > 1 ? stop / (count - 1) : 0;
  for (int i = 0; i < count; ++i) points[static_cast<std::size_t>(count - 1 - i)] = i * stride;
  if (count > 1) points.front() = stop;
  return points;
}

// Half goes to the even neighbour, as numpy rounds.
void round_all(std::vector<double>& points) {
  for (double& point : points) point = std::nearbyint(point);
}

// DPM-Solver++ divides into one stride more and leaves the last point, its end, to sigma 0.
std::vector<double> linspace(double last, Sampler sampler, int steps) {
  std::vector<double> points = evenly(last, sampler == Sampler::dpmpp_2m ? steps + 1 : steps);
  points.resize(static_cast<std::size_t>(steps));
  if (sampler == Sampler::euler) {
    for (double& point : points) point = static_cast<float>(point);
  } else {
    round_all(points);
  }
  return points;
}

std::vector<double> leading(const SchedulerConfig& scheduler, Sampler sampler, int steps) {
  const bool extra = sampler == Sampler::dpmpp_2m;
  const int stride = scheduler.num_train_timesteps / (extra ? steps + 1 : steps);
  std::vector<double> points;
  for (int i = steps; i-- > 0;) points.push_back((extra ? i + 1 : i) * stride);
  for (double& point : points) point += scheduler.steps_offset;
  return points;
}

std::vector<double> trailing(double trained, int steps) {
  const double stride = (trained - trained / steps) - trained;  // as numpy.arange derives it
  std::vector<double> points;
  for (int i = 0; i < steps; ++i) points.push_back(trained + i * stride);
  round_all(points);
  for (double& point : points) point -= 1;
  return points;
}

void require_trained(const std::vector<double>& points, const SchedulerConfig& scheduler,
                     int steps) {
  const int last = scheduler.num_train_timesteps - 1;
  if (points.front() > last) {
    refuse("steps",
           fmt::format("{} sampling steps begin at timestep {}, but {} is the last one trained; "
                       "use fewer",
                       steps, points.front(), last));
  }
  if (std::adjacent_find(points.begin(), points.end(), std::less_equal<>()) != points.end()) {
    refuse("steps",
           fmt::format("{} sampling steps repeat a timestep of the {} trained ones; use fewer",
                       steps, last + 1));
  }
}

}  // namespace

Sampler parse_sampler(const std::string& name) {
  if (name == "euler") return Sampler::euler;
  if (name == "ddim") return Sampler::ddim;
  if (name == "dpmpp_2m") return Sampler::dpmpp_2m;
  if (name == "ddpm") return Sampler::ddpm;
  refuse("sampler", fmt::format("unknown sampler \"{}\"; use euler, ddim, dpmpp_2m or ddpm", name));
}

std::vector<double> sampling_timesteps(const SchedulerConfig& scheduler, Sampler sampler,
                                       int steps) {
  const int trained = scheduler.num_train_timesteps;
  if (steps < 1 || steps > trained) {
    refuse("steps", fmt::format("{} sampling steps; use 1 to {}", steps, trained));
  }
  std::vector<double> points;
  if (scheduler.timestep_spacing == "leading") {
    points = leading(scheduler, sampler, steps);
  } else if (scheduler.timestep_spacing == "trailing") {
    points = trailing(trained, steps);
  } else if (scheduler.timestep_spacing == "linspace") {
    points = linspace(trained - 1, sampler, steps);
  } else {
    refuse("timestep_spacing",
           fmt::format("the scheduler's timestep_spacing \"{}\" is unknown; use leading, trailing "
                       "or linspace",
                       scheduler.timestep_spacing));
  }
  require_trained(points, scheduler, steps);
  return points;
}

}  // namespace sarsweep::trainer
