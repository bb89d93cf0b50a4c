// One rank of a job that sums gradients in buckets of several sizes; `mpirun -n N gradients_probe`
// ends with 0 where each makes the same bytes, and says what is not so.
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <iostream>
#include <string>
#include <vector>

#include "schema/base/philox.h"
#include "trainer/torch/training/gradient_sum.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::trainer;

// Below, at and above the bucket of 1000, and several times as large.
const std::vector<std::int64_t> kSizes = {1, 7, 992, 1000, 1001, 3, 2500, 40, 999, 1, 5000, 2};

int faults = 0;

void expect(bool kept, const std::string& what) {
  if (kept) return;
  ++faults;
  std::cerr << "not so: " << what << '\n';
}

// Every fifth tensor has no gradient on any rank, every third one on a single rank.
bool has_gradient(std::size_t tensor, int rank, int ranks) {
  if (tensor % 5 == 4) return false;
  return tensor % 3 != 2 || static_cast<int>(tensor) % ranks == rank;
}

// Of very different size, so that the order of addition shows.
at::Tensor gradient_of(std::size_t tensor, int rank) {
  at::Tensor values = at::empty({kSizes[tensor]}, at::kFloat);
  RandomStream(9, "gradient", tensor * 100 + static_cast<std::size_t>(rank))
      .fill_normal(values.mutable_data_ptr<float>(), static_cast<std::uint64_t>(values.numel()));
  return values * (rank == 1 ? 1e4 : 1.0);
}

at::Tensor sum_over_ranks(std::size_t tensor, int ranks) {
  at::Tensor sum = at::zeros({kSizes[tensor]}, at::kFloat);
  for (int rank = 0; rank < ranks; ++rank) {
    if (has_gradient(tensor, rank, ranks)) sum = sum + gradient_of(tensor, rank);
  }
  return sum;
}

std::vector<ParameterGroup> groups_of(const Communicator& ranks) {
  std::vector<ParameterGroup> groups = {{"unet", 1, true, {}}, {"vae", 1, true, {}}};
  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    at::Tensor tensor = at::zeros({kSizes[i]}, at::kFloat);
    tensor.set_requires_grad(true);
    if (has_gradient(i, ranks.rank(), ranks.size())) {
      tensor.mutable_grad() = gradient_of(i, ranks.rank());
    }
    groups[i < kSizes.size() / 2 ? 0 : 1].tensors.emplace_back(std::to_string(i), tensor);
  }
  return groups;
}

void probe(Communicator& ranks, std::int64_t bucket) {
  const std::vector<ParameterGroup> groups = groups_of(ranks);
  at::Tensor loss = at::zeros({1}, at::kFloat) + (ranks.rank() + 0.25);
  sum_gradients(ranks, groups, loss, bucket);
  double expected = 0;
  for (int rank = 0; rank < ranks.size(); ++rank) expected += rank + 0.25;
  expect(loss.item<double>() == expected, fmt::format("bucket {}: the loss is the sum", bucket));
  const NamedTensors tensors = all_tensors(groups);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& gradient = tensors[i].second.grad();
    const std::string what = fmt::format("bucket {}, tensor {}: ", bucket, i);
    if (i % 5 == 4) {
      expect(!gradient.defined(), what + "there is no gradient");
    } else {
      expect(gradient.defined() && at::equal(gradient, sum_over_ranks(i, ranks.size())),
             what + "the sum in the order of ranks, to the last bit");
    }
  }
}

}  // namespace

int main() try {
  const auto ranks = join_ranks();
  for (const std::int64_t bucket : {1L, 1000L, 2500L, 6'250'000L}) probe(*ranks, bucket);
  return ranks->leave({faults == 0 ? 0 : 1, true, "probed"});
} catch (const std::exception& error) {
  std::cerr << "gradients_probe: " << error.what() << '\n';
  return 1;
}
