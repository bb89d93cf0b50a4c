#include "trainer/torch/jobs/latent_cache.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <c10/core/GradMode.h>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/run/lock_file.h"
#include "trainer/torch/files/model_source.h"
#include "trainer/torch/jobs/pictures.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBatch = 8;
constexpr int kVersion = 1;  // of the file's layout and of what is encoded

std::string entry_name(std::size_t image) { return fmt::format("{:08}", image); }

std::string content_key(const Autoencoder& vae, const Dataset& data) {
  return sha256(canonical_json({{"version", kVersion},
                                {"encoder", parameters_digest(vae, {"encoder.", "quant_conv."})},
                                {"data", data.digest()},
                                {"resolution", data.options().resolution},
                                {"crop", data.options().crop},
                                {"resize", data.options().resize},
                                {"gray", data.options().gray},
                                {"stretch", data.stretch().to_json()},
                                {"dtype", "f32"}}));
}

// Encodes images in batches, in the order the file asks for them.
class LatentWriter {
 public:
  LatentWriter(const Autoencoder& vae, const Dataset& data,
               const std::function<void(long, long)>& tell)
      : vae_(vae), data_(data), tell_(tell) {}

  void write(const fs::path& file) {
    std::vector<TensorToWrite> tensors;
    const at::Tensor first = fetch_batch(0);
    for (std::size_t i = 0; i < data_.items().size(); ++i) {
      tensors.push_back({entry_name(i), DType::f32, {first.size(1), first.size(2), first.size(3)}});
    }
    write_safetensors(file, tensors, [this](std::size_t i) -> const void* {
      if (i / kBatch != batch_) fetch_batch(i / kBatch);
      return encoded_[static_cast<std::int64_t>(i % kBatch)].const_data_ptr();
    });
  }

 private:
  at::Tensor fetch_batch(std::size_t batch) {
    const c10::NoGradGuard no_grad;
    const std::size_t begin = batch * kBatch, end = std::min(begin + kBatch, data_.items().size());
    tell_(static_cast<long>(begin), static_cast<long>(data_.items().size()));
    std::vector<AmplitudeImage> images;
    for (std::size_t i = begin; i < end; ++i) images.push_back(data_.stretched(i));
    const Moments moments = vae_.encode(pixels_of(images));
    encoded_ = at::cat({moments.mean, moments.log_variance}, 1).contiguous();
    for (std::size_t i = begin; i < end; ++i) {
      if (at::isfinite(encoded_[static_cast<std::int64_t>(i - begin)]).all().item<bool>()) continue;
      throw Error(ErrorCode::invalid,
                  "the latents of " + data_.items()[i].path.string() +
                      " are not finite; check the image and the VAE of model.path");
    }
    batch_ = batch;
    return encoded_;
  }

  const Autoencoder& vae_;
  const Dataset& data_;
  const std::function<void(long, long)>& tell_;
  at::Tensor encoded_;
  std::size_t batch_ = 0;
};

// True if `file` is whole; a file that is not is removed.
bool usable(const fs::path& file, std::size_t images) {
  if (!fs::exists(file)) return false;
  try {
    if (SafetensorsFile(file).entries().size() == images) return true;
  } catch (const Error&) {
    fs::remove(file);
    return false;
  }
  fs::remove(file);
  return false;
}

}  // namespace

LatentCache LatentCache::open(const fs::path& cache_dir, const Autoencoder& vae,
                              const Dataset& data, const std::function<void(long, long)>& tell) {
  const std::string key = content_key(vae, data);
  const fs::path file = cache_dir / "latents" / (key + ".safetensors");
  const long total = static_cast<long>(data.items().size());
  const LockFile lock(cache_dir / "latents" / (key + ".lock"), [&] { tell(0, total); });
  if (!usable(file, data.items().size())) LatentWriter(vae, data, tell).write(file);
  tell(total, total);
  return LatentCache(file);
}

Moments LatentCache::moments(const std::vector<std::size_t>& images) const {
  std::vector<std::int64_t> shape = file_.entries().at(0).shape;
  shape.insert(shape.begin(), static_cast<std::int64_t>(images.size()));
  const at::Tensor stacked = at::empty(shape, at::kFloat);
  auto* out = static_cast<std::byte*>(stacked.mutable_data_ptr());
  for (const std::size_t image : images) {
    const TensorEntry* entry = file_.find(entry_name(image));
    const std::size_t bytes = entry->end - entry->begin;
    std::memcpy(out, file_.data(*entry), bytes);
    out += bytes;
  }
  const std::int64_t channels = shape[1] / 2;
  return {stacked.narrow(1, 0, channels), stacked.narrow(1, channels, channels)};
}

}  // namespace sarsweep::trainer
