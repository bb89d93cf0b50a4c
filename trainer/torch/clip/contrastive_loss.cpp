#include "trainer/torch/clip/contrastive_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>

namespace sarsweep::trainer {

at::Tensor contrastive_losses(const at::Tensor& pictures, const at::Tensor& captions,
                              const at::Tensor& logit_scale) {
  const at::Tensor logits = at::exp(logit_scale) * at::matmul(pictures, captions.t());
  const at::Tensor of_pictures = at::log_softmax(logits, 1).diagonal();
  const at::Tensor of_captions = at::log_softmax(logits, 0).diagonal();
  return (of_pictures + of_captions) * -0.5;
}

}  // namespace sarsweep::trainer
