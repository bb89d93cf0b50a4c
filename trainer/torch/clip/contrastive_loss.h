#pragma once

#include <ATen/core/Tensor.h>

namespace sarsweep::trainer {

// CLIP's loss of each pair of a batch (arXiv 2103.00020, figure 3): with logits exp(logit_scale) ·
// pictures · captionsᵀ, minus the logarithm of the share that picture i gives its own caption among
// all captions, and that caption i gives its own picture among all pictures; the mean of the two.
// pictures, captions [B,p], unit rows, logit_scale []; fp32 -> [B].
at::Tensor contrastive_losses(const at::Tensor& pictures, const at::Tensor& captions,
                              const at::Tensor& logit_scale);

}  // namespace sarsweep::trainer
