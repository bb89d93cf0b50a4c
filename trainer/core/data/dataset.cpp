#include "trainer/core/data/dataset.h"

#include <fmt/format.h>

#include <map>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "trainer/core/data/fault_list.h"
#include "trainer/core/data/item_reader.h"
#include "trainer/core/data/set_statistics.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

Stretch stretch_of(const std::vector<DataItem>& training_pictures, const DataOptions& options,
                   const json& stretch, const std::string& scope) {
  const auto [mean, sigma] = set_statistics(training_pictures, options);
  return make_stretch(stretch, scope, mean, sigma);
}

std::vector<std::size_t> all_of(const std::vector<DataItem>& items) {
  std::vector<std::size_t> all(items.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

}  // namespace

Dataset::Dataset(const DataOptions& options, const std::string& split,
                 std::optional<Stretch> measured)
    : options_(options), mirrors_(mirrors_of(options.flip, options.range_axis)) {
  const std::vector<DataItem> pictures = checked_items(options_, split);
  require_separate_groups(options_);
  items_ = with_views(pictures, options_);
  digest_ = items_digest(items_, all_of(items_));
  if (measured) {
    stretch_ = *measured;
  } else if (split == options_.split &&
             needs_statistics(options_.stretch, options_.stretch_scope)) {
    stretch_ = stretch_of(pictures, options_, options_.stretch, options_.stretch_scope);
  } else {
    stretch_ = measured_stretch(options_, options_.stretch, options_.stretch_scope);
  }
}

AmplitudeImage Dataset::picture(std::size_t index) const {
  return read_picture(items_.at(index), options_);
}

AmplitudeImage Dataset::amplitude(std::size_t index) const {
  return seen(picture(index), items_.at(index).view, options_.resolution);
}

AmplitudeImage Dataset::stretched(std::size_t index) const {
  return stretch_.forward(amplitude(index));
}

AmplitudeImage Dataset::stretched(const AmplitudeImage& picture, const View& view) const {
  return stretch_.forward(seen(picture, view, options_.resolution));
}

View Dataset::drawn_view(std::size_t index, const SampleDraws& draws) const {
  const DataItem& item = items_.at(index);
  View view =
      crops_at_random() ? random_view(item.prepared, options_.resolution, draws) : item.view;
  view.mirror = mirrors_[draws.mirror(mirrors_.size())];
  return view;
}

std::array<float, 6> Dataset::size_conditioning(std::size_t index, const View& view) const {
  const DataItem& item = items_.at(index);
  return trainer::size_conditioning(item.stored, item.prepared, view, options_.resolution);
}

std::string Dataset::pixels_digest() const {
  Sha256 digest;
  for (const DataItem& item : items_) {
    const json row = {item.sha256, item.scale ? json(*item.scale) : json(nullptr), item.view.row,
                      item.view.col};
    digest.update(row.dump() + "\n");
  }
  return digest.hex();
}

std::vector<std::size_t> evaluation_items(const Dataset& data, int per_label) {
  std::map<std::string, std::map<std::string, std::size_t>> by_label;  // label -> digest -> index
  for (std::size_t i = 0; i < data.items().size(); ++i) {
    const DataItem& item = data.items()[i];
    by_label[item.label].emplace(sha256(item.file_name), i);
  }
  std::vector<std::size_t> chosen;
  for (const auto& [label, ordered] : by_label) {
    int taken = 0;
    for (const auto& [digest, index] : ordered) {
      if (taken++ < per_label) chosen.push_back(index);
    }
  }
  return chosen;
}

std::string items_digest(const std::vector<DataItem>& items,
                         const std::vector<std::size_t>& chosen) {
  Sha256 digest;
  for (const std::size_t index : chosen) {
    const DataItem& item = items.at(index);
    const json row = {item.file_name, item.caption, item.label,
                      item.scale ? json(*item.scale) : json(nullptr), item.sha256};
    digest.update(row.dump() + "\n");
  }
  return digest.hex();
}

void require_readable(const Dataset& data, const std::vector<std::size_t>& items) {
  FaultList faults;
  for (const std::size_t index : items) {
    faults.gather([&] { data.amplitude(index); });
  }
  faults.throw_if_any();
}

Stretch measured_stretch(const DataOptions& options, const json& stretch,
                         const std::string& scope) {
  if (!needs_statistics(stretch, scope)) return make_stretch(stretch, scope, 0, 0);
  return stretch_of(checked_items(options, options.split), options, stretch, scope);
}

}  // namespace sarsweep::trainer
