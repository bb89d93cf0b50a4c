#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/protocol/messages.h"

// W&B sweep configurations (docs.wandb.ai, "Sweep configuration structure") as sweep files.
namespace sarsweep::coordinator {

struct ImportedSweep {
  std::string text;                     // of our sweep file; empty after an error
  std::vector<Diagnostic> diagnostics;  // at most 20; places in the W&B file
};

// Fixed parameters become `base`, lists `grid`, and what a training script multiplies to the images
// of an update `train.global_batch`. What has no counterpart here is a warning, and a comment in
// the text: nothing is left out silently, nothing made up. Pure; never throws for what the text
// holds.
ImportedSweep import_wandb(const std::string& file, std::string_view text);

}  // namespace sarsweep::coordinator
