#include "trainer/torch/clip/clip_judge.h"

#include <algorithm>
#include <unordered_map>

#include <c10/core/GradMode.h>

namespace sarsweep::trainer {
namespace {

constexpr std::size_t kPass = 16;

void append_rows(EmbeddingRows& rows, const at::Tensor& embeddings) {
  const at::Tensor host = embeddings.to(at::kCPU).contiguous();
  const float* values = host.const_data_ptr<float>();
  const std::int64_t width = host.size(1);
  for (std::int64_t i = 0; i < host.size(0); ++i, values += width) {
    rows.emplace_back(values, values + width);
  }
}

// `embed(begin, end)` of one pass after the other.
template <typename Embed>
EmbeddingRows in_passes(std::size_t count, const EmbeddingProgress& progress, const Embed& embed) {
  const c10::NoGradGuard no_grad;
  EmbeddingRows rows;
  for (std::size_t begin = 0; begin < count; begin += kPass) {
    if (progress) progress(begin, count);
    append_rows(rows, embed(begin, std::min(begin + kPass, count)));
  }
  return rows;
}

}  // namespace

EmbeddingRows embed_stretched(const ClipModel& model, std::size_t count,
                              const std::function<AmplitudeImage(std::size_t)>& stretched,
                              const EmbeddingProgress& progress) {
  const int side = model.config.vision.image_size;
  return in_passes(count, progress, [&](std::size_t begin, std::size_t end) {
    std::vector<EightBitImage> squares;
    for (std::size_t i = begin; i < end; ++i) {
      squares.push_back(clip_square(eight_bit(stretched(i)), side));
    }
    return embed_pictures(model, clip_codes(squares));
  });
}

EmbeddingRows embed_texts(const ClipModel& model, const std::vector<std::string>& texts,
                          const EmbeddingProgress& progress) {
  return in_passes(texts.size(), progress, [&](std::size_t begin, std::size_t end) {
    const std::vector<std::string> some(texts.begin() + static_cast<std::ptrdiff_t>(begin),
                                        texts.begin() + static_cast<std::ptrdiff_t>(end));
    return embed_captions(model, clip_ids(model, some));
  });
}

DistinctCaptions distinct_captions(const std::vector<std::string>& captions) {
  DistinctCaptions distinct;
  std::unordered_map<std::string, std::size_t> known;
  for (const std::string& caption : captions) {
    const auto [found, fresh] = known.emplace(caption, distinct.texts.size());
    if (fresh) distinct.texts.push_back(caption);
    distinct.place.push_back(found->second);
  }
  return distinct;
}

}  // namespace sarsweep::trainer
