#include "trainer/torch/model/flops.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/support/referee.h"
#include "trainer/core/config/model_config.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr double kTera = 1e12;

UNet unet_of(const std::string& preset) {
  return UNet(parse_unet_config(preset_configs(preset).at("unet")), at::kMeta);
}

// Counted independently for SDXL base at 512², 768² and 1024².
TEST(ForwardFlops, OfSdxlAreTheKnownOnes) {
  UNet unet = unet_of("sdxl");
  EXPECT_NEAR(forward_flops(unet, 64).network / kTera, 1.589, 5e-4);
  EXPECT_NEAR(forward_flops(unet, 96).network / kTera, 3.641, 5e-4);
  EXPECT_NEAR(forward_flops(unet, 128).network / kTera, 6.761, 5e-4);
  EXPECT_EQ(forward_flops(unet, 128).adapters, 0);
  attach_adapters(unet, ComponentKind::unet, "attn", 256, 128, LoraInit::kaiming, 0);
  EXPECT_NEAR(forward_flops(unet, 128).adapters / kTera, 0.66, 5e-3);
}

TEST(ForwardFlops, EqualTorchsOwnCountWithAndWithoutAdapters) {
  if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  struct Row {
    const char *preset, *targets;
    std::int64_t side, rank;
  };
  json cases = json::array();
  for (const Row& row :
       {Row{"tiny", nullptr, 16, 0}, Row{"tiny", "attn", 10, 3}, Row{"small", "transformer", 32, 8},
        Row{"sdxl", "transformer_conv", 128, 256}}) {
    UNet unet = unet_of(row.preset);
    if (row.targets != nullptr) {
      attach_adapters(unet, ComponentKind::unet, row.targets, row.rank, 1, LoraInit::kaiming, 0);
    }
    const ForwardFlops flops = forward_flops(unet, row.side);
    cases.push_back({{"config", unet.config().json},
                     {"side", row.side},
                     {"targets", row.targets == nullptr ? json(nullptr) : json(row.targets)},
                     {"rank", row.rank},
                     {"network", static_cast<std::int64_t>(flops.network)},
                     {"adapters", static_cast<std::int64_t>(flops.adapters)}});
  }
  const tests::TemporaryFolder folder;
  std::ofstream(folder / "cases.json") << cases;
  const auto referee = tests::run_referee("flops_referee.py", {folder / "cases.json"});
  EXPECT_EQ(referee.exit_code, 0) << referee.output;
}

TEST(TrainingFlops, CountTheGradientsThatAreMade) {
  const ForwardFlops forward{100, 7};
  EXPECT_EQ(full_training_flops(forward), 300);
  EXPECT_EQ(lora_training_flops(forward), 221);
}

}  // namespace
}  // namespace sarsweep::trainer
