#include "trainer/core/schedule/training_window.h"

#include <gtest/gtest.h>

#include <limits>

namespace sarsweep::trainer {
namespace {

UpdateReport report(double loss, std::vector<double> image_losses,
                    std::vector<std::int64_t> timesteps) {
  UpdateReport made;
  made.loss = loss;
  made.grad_norm = 2 * loss;
  made.image_losses = std::move(image_losses);
  made.timesteps = std::move(timesteps);
  made.learning_rates = {{"unet", 0.5}};
  return made;
}

TEST(TrainingWindow, PointIsTheMeanSinceTheLastPoint) {
  TrainingWindow window;
  window.add(report(1, {1, 1}, {0, 99}));
  window.add(report(2, {2, 4}, {50, 999}));
  const nlohmann::json point = window.take();
  EXPECT_DOUBLE_EQ(point["train/loss"], 1.5);
  EXPECT_DOUBLE_EQ(point["train/grad_norm"], 3);
  EXPECT_DOUBLE_EQ(point["train/loss_t0"], 4.0 / 3);
  EXPECT_DOUBLE_EQ(point["train/loss_t9"], 4);
  EXPECT_FALSE(point.contains("train/loss_t5"));
  EXPECT_DOUBLE_EQ(point["train/lr_unet"], 0.5);
  EXPECT_FALSE(window.take().contains("train/loss"));
}

TEST(TrainingWindow, SkippedUpdatesDoNotEnterTheMeans) {
  TrainingWindow window;
  window.add(report(1, {1}, {5}));
  UpdateReport bad = report(std::numeric_limits<double>::quiet_NaN(), {1}, {5});
  bad.finite = false;
  window.add(bad);
  EXPECT_DOUBLE_EQ(window.take()["train/loss"], 1);
}

TEST(TrainingWindow, TermsAreMeansOverTheImagesThatHaveThem) {
  TrainingWindow window;
  UpdateReport first = report(1, {1, 1}, {3, 500});
  first.terms = {{"rayleigh", {4}}};
  UpdateReport second = report(1, {1, 1, 1}, {3, 5, 500});
  second.terms = {{"rayleigh", {1, 1}}};
  window.add(first);
  window.add(report(1, {1}, {500}));
  window.add(second);
  EXPECT_DOUBLE_EQ(window.take()["train/rayleigh"], 2);
  EXPECT_FALSE(window.take().contains("train/rayleigh"));
}

TEST(TrainingWindow, JsonRoundTripDrawsTheSamePoint) {
  TrainingWindow window;
  UpdateReport refined = report(1.0 / 3, {0.1, 0.7}, {123, 456});
  refined.terms = {{"histogram", {0.2}}};
  window.add(refined);
  const std::string text = window.to_json().dump();
  TrainingWindow copy = TrainingWindow::from_json(nlohmann::json::parse(text));
  window.add(report(0.2, {0.3}, {789}));
  copy.add(report(0.2, {0.3}, {789}));
  EXPECT_EQ(window.take().dump(), copy.take().dump());
}

TEST(TrainingWindow, LogIntervalGivesAbout200PointsAndNeverZero) {
  EXPECT_EQ(log_interval(1), 1);
  EXPECT_EQ(log_interval(399), 1);
  EXPECT_EQ(log_interval(10'000), 50);
}

}  // namespace
}  // namespace sarsweep::trainer
