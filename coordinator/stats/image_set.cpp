#include "coordinator/stats/image_set.h"

#include <algorithm>
#include <map>
#include <utility>

#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::stats {
namespace {

// Lengths stand before the names: no two lists have the same bytes.
void feed(Sha256& digest, const std::string& text) {
  digest.update(std::to_string(text.size()) + ":" + text);
}

}  // namespace

ImageSet::ImageSet(std::vector<ImageName> images) {
  std::map<std::string, std::size_t> of_label;
  for (const ImageName& image : images) ++of_label[image.label];
  const auto lone = [&](const ImageName& image) { return of_label.at(image.label) == 1; };
  std::sort(images.begin(), images.end(), [&](const ImageName& a, const ImageName& b) {
    return lone(a) == lone(b) ? a < b : lone(b);
  });
  const auto twice = std::adjacent_find(images.begin(), images.end());
  if (twice != images.end()) {
    throw Error(ErrorCode::invalid, "the image " + twice->file + " is there twice");
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string label = lone(images[i]) ? std::string() : images[i].label;
    const bool first_lone = lone(images[i]) && (i == 0 || !lone(images[i - 1]));
    if (strata_.empty() || first_lone || strata_.back().label != label) {
      strata_.push_back({label, i, i});
    }
    strata_.back().end = i + 1;
  }
  images_ = std::move(images);
}

std::size_t ImageSet::index(const ImageName& image) const {
  for (const Stratum& stratum : strata_) {
    const auto begin = images_.begin() + static_cast<std::ptrdiff_t>(stratum.begin);
    const auto end = images_.begin() + static_cast<std::ptrdiff_t>(stratum.end);
    const auto found = std::lower_bound(begin, end, image);
    if (found != end && *found == image) return static_cast<std::size_t>(found - images_.begin());
  }
  throw Error(ErrorCode::not_found, "no image " + image.file + " of label '" + image.label + "'");
}

std::string ImageSet::digest(const Stratum& stratum) const {
  Sha256 digest;
  for (std::size_t i = stratum.begin; i < stratum.end; ++i) {
    feed(digest, images_[i].label);
    feed(digest, images_[i].file);
  }
  return digest.hex();
}

std::string ImageSet::digest() const { return digest({"", 0, images_.size()}); }

}  // namespace sarsweep::stats
