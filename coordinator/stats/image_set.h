#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sarsweep::stats {

// An image of the protocol. Several pictures may have been generated for its caption.
struct ImageName {
  std::string label, file;
  auto operator<=>(const ImageName&) const = default;
};

// The images that runs were judged on, in an order of their own: equal sets are equal whatever the
// order of the documents they were read from. Pure.
class ImageSet {
 public:
  // Images that are drawn from one another: those of a label. Labels of one image lie together in
  // one stratum without a label.
  struct Stratum {
    std::string label;
    std::size_t begin = 0, end = 0;  // of images()
    std::size_t size() const { return end - begin; }
    bool operator==(const Stratum&) const = default;
  };

  ImageSet() = default;
  explicit ImageSet(std::vector<ImageName> images);  // Throws Error(invalid) on a double.

  const std::vector<ImageName>& images() const { return images_; }
  const std::vector<Stratum>& strata() const { return strata_; }
  std::size_t size() const { return images_.size(); }
  std::size_t index(const ImageName& image) const;  // Throws Error(not_found).
  // SHA-256 of the images of a stratum and of all.
  std::string digest(const Stratum& stratum) const;
  std::string digest() const;
  bool operator==(const ImageSet&) const = default;

 private:
  std::vector<ImageName> images_;
  std::vector<Stratum> strata_;
};

}  // namespace sarsweep::stats
