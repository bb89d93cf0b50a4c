#include "trainer/torch/jobs/latent_cache.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include <c10/core/GradMode.h>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/data/fault_list.h"
#include "trainer/core/run/lock_file.h"
#include "trainer/torch/files/model_source.h"
#include "trainer/torch/jobs/pictures.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kBatch = 8;
constexpr int kVersion = 2;  // of the files' layout and of what is encoded
constexpr std::size_t kPiece = std::size_t{16} << 20;  // bytes digested between two looks

std::string entry_name(std::size_t image) { return fmt::format("{:08}", image); }

std::string content_key(const Autoencoder& vae, const Dataset& data, Mirror mirror) {
  return sha256(canonical_json({{"version", kVersion},
                                {"encoder", parameters_digest(vae, {"encoder.", "quant_conv."})},
                                {"pixels", data.pixels_digest()},
                                {"resolution", data.options().resolution},
                                {"resize", data.options().resize},
                                {"gray", data.options().gray},
                                {"stretch", data.stretch().to_json()},
                                {"mirror", {mirror.rows, mirror.columns}},
                                {"dtype", "f32"}}));
}

// Encodes images in batches, in the order the file asks for them.
class LatentWriter {
 public:
  LatentWriter(RunContext& run, const Autoencoder& vae, const Dataset& data, Mirror mirror)
      : run_(run), vae_(vae), data_(data), mirror_(mirror) {}

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
  // Tiles of one picture follow each other: it is read once.
  AmplitudeImage image(std::size_t index) {
    const DataItem& item = data_.items()[index];
    if (!(item.file == file_)) picture_ = data_.picture(index);
    file_ = item.file;
    View view = item.view;
    view.mirror = mirror_;
    return data_.stretched(picture_, view);
  }

  std::vector<AmplitudeImage> read_batch(std::size_t begin, std::size_t end) {
    std::vector<AmplitudeImage> images;
    FaultList faults;
    for (std::size_t i = begin; i < end; ++i) {
      faults.gather([&] { images.push_back(image(i)); });
    }
    // What else is wrong is told in the same breath: the rest is read, not encoded.
    for (std::size_t i = end; !faults.empty() && i < data_.items().size(); ++i) {
      run_.check_stop();
      faults.gather([&] { image(i); });
    }
    faults.throw_if_any();
    return images;
  }

  at::Tensor fetch_batch(std::size_t batch) {
    const c10::NoGradGuard no_grad;
    const std::size_t begin = batch * kBatch, end = std::min(begin + kBatch, data_.items().size());
    run_.stage("cache", static_cast<long>(begin), static_cast<long>(data_.items().size()));
    const at::Device device = vae_.parameters().front().second.device();
    const Moments moments = vae_.encode(pixels_of(read_batch(begin, end)).to(device));
    encoded_ = at::cat({moments.mean, moments.log_variance}, 1).to(at::kCPU).contiguous();
    for (std::size_t i = begin; i < end; ++i) {
      if (at::isfinite(encoded_[static_cast<std::int64_t>(i - begin)]).all().item<bool>()) continue;
      throw Error(ErrorCode::invalid,
                  "the latents of " + data_.items()[i].file.name() +
                      " are not finite; check the image and the VAE of model.path");
    }
    batch_ = batch;
    return encoded_;
  }

  RunContext& run_;
  const Autoencoder& vae_;
  const Dataset& data_;
  Mirror mirror_;
  PictureFile file_;  // the picture last read
  AmplitudeImage picture_;
  at::Tensor encoded_;
  std::size_t batch_ = 0;
};

std::string digest_of(RunContext& run, const fs::path& file) {
  Sha256 digest;
  std::ifstream in(file, std::ios::binary);
  std::string piece(kPiece, '\0');
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
    run.check_stop();
    digest.update({piece.data(), static_cast<std::size_t>(in.gcount())});
  }
  return digest.hex();
}

fs::path seal_of(fs::path file) { return file.replace_extension(".json"); }

// What the seal of `file` must say, its sizes first.
json seal_document(const fs::path& file, std::size_t images, const std::string& digest) {
  return {{"bytes", fs::file_size(file)}, {"images", images}, {"sha256", digest}};
}

bool usable(RunContext& run, const fs::path& file, std::size_t images) {
  if (!fs::is_regular_file(file) || !fs::is_regular_file(seal_of(file))) return false;
  const json seal = json::parse(read_file(seal_of(file)), nullptr, false);
  if (!seal.is_object() || seal.value("bytes", json()) != fs::file_size(file)) return false;
  return seal == seal_document(file, images, digest_of(run, file));
}

}  // namespace

LatentCache LatentCache::open(RunContext& run, const Autoencoder& vae, const Dataset& data,
                              Mirror mirror) {
  const std::string key = content_key(vae, data, mirror);
  const fs::path folder = run.file().cache_dir / "latents";
  const fs::path file = folder / (key + ".safetensors");
  const std::size_t images = data.items().size();
  const LockFile lock(folder / (key + ".lock"), [&] { run.check_stop(); });
  const bool hit = usable(run, file, images);
  if (!hit) {
    if (fs::exists(seal_of(file))) run.warn("cache: " + file.string() + " was damaged");
    fs::remove(seal_of(file));
    fs::remove(file);
    LatentWriter(run, vae, data, mirror).write(file);
    write_file_atomically(seal_of(file),
                          canonical_json(seal_document(file, images, digest_of(run, file))));
  }
  run.stage("cache", static_cast<long>(images), static_cast<long>(images));
  spdlog::info("cache: {} latents {} ({})", images, hit ? "found, nothing encoded" : "encoded",
               key);
  run.events().write("cache", {{"key", key}, {"images", images}, {"encoded", hit ? 0 : images}});
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
