#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/images/amplitude.h"
#include "trainer/core/metrics/mask.h"

namespace sarsweep::trainer {

enum class PairSide { real, generated };

// Masks that another program made of the pictures an evaluation measures, found by a picture's name
// without its ending (STEM):
//   FOLDER         STEM.png, every picture of the folder STEM/, or STEM.json (a list of
//   annotations,
//                  or {"annotations": […]}); beneath FOLDER/real and FOLDER/generated where these
//                  exist, else one mask serves both pictures of a pair
//   FILE.json      COCO: {"images": [{id, file_name}], "annotations": [{image_id, segmentation}]}
// A pixel of a picture that is not 0 lies inside; `segmentation` is as in coco_rle.h.
class MaskFiles {
 public:
  // Throws Error(not_found) where there is no such folder or file, Error(invalid) where a COCO file
  // cannot be understood; both with the field eval.masks.
  explicit MaskFiles(std::filesystem::path place);

  // The mask of most pixels, the first of several such; nullopt where there is none. Throws
  // Error(invalid) for a damaged one and for one of another size than the picture. Thread-safe.
  std::optional<Mask> largest(const std::string& file_name, PairSide side,
                              const AmplitudeImage& picture) const;

  // SHA-256 over the names and bytes of all files.
  std::string digest() const;

 private:
  std::filesystem::path place_;
  std::map<std::string, std::vector<nlohmann::json>> coco_;  // segmentations by stem
};

}  // namespace sarsweep::trainer
