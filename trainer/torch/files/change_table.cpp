#include "trainer/torch/files/change_table.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <sstream>

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// Words `first` to `last` of a name, as far as it has them.
std::string words_of(const std::string& name, int first, int last) {
  std::string words;
  std::istringstream parts(name);
  std::string word;
  for (int i = 0; i <= last && std::getline(parts, word, '.'); ++i) {
    if (i >= first) words += (words.empty() ? "" : ".") + word;
  }
  return words;
}

std::string block_of_tower(const std::string& name) {
  const std::string second = words_of(name, 1, 1);
  return second == "encoder" ? words_of(name, 2, 3) : second;
}

}  // namespace

std::string block_of(const std::string& name) {
  const std::string first = words_of(name, 0, 0);
  if (first == "text_model" || first == "vision_model") return block_of_tower(name);
  if (first == "encoder" || first == "decoder") {
    return first + "." + block_of(name.substr(first.size() + 1));
  }
  if (first == "mid_block") return "mid." + words_of(name, 1, 2);
  const std::size_t stage = first.find("_blocks");
  return stage == std::string::npos ? first : first.substr(0, stage) + "." + words_of(name, 1, 3);
}

void ChangeTable::Sums::add(const Sums& other) {
  tensors += other.tensors;
  parameters += other.parameters;
  above += other.above;
  of_means += other.of_means;
  change += other.change;
  magnitude += other.magnitude;
}

json ChangeTable::Sums::row() const {
  const auto count = static_cast<double>(parameters);
  return {{"tensors", tensors},
          {"parameters", parameters},
          {"mean", of_means / static_cast<double>(tensors)},
          {"weighted_mean", change / count},
          {"share", static_cast<double>(above) / count},
          {"relative", magnitude > 0 ? json(change / magnitude) : json(nullptr)}};
}

ChangeTable::Sums& ChangeTable::find(std::vector<Sums>& rows, const std::string& part,
                                     const std::string& block) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Sums& row) {
    return row.part == part && row.block == block;
  });
  if (found != rows.end()) return *found;
  rows.push_back({.part = part, .block = block});
  return rows.back();
}

void ChangeTable::add(const std::string& part, const std::string& name, const at::Tensor& base,
                      const at::Tensor& tuned) {
  assert(base.sizes() == tuned.sizes() && base.scalar_type() == at::kDouble);
  if (base.numel() == 0) return;
  const at::Tensor change = (tuned - base).abs();
  Sums sums;
  sums.tensors = 1;
  sums.parameters = base.numel();
  sums.change = change.sum().item<double>();
  sums.of_means = sums.change / static_cast<double>(sums.parameters);
  sums.magnitude = base.abs().sum().item<double>();
  sums.above = change.gt(kThreshold).sum().item<std::int64_t>();
  find(blocks_, part, block_of(name)).add(sums);
  find(parts_, part, "").add(sums);
}

json ChangeTable::document() const {
  json document = {{"threshold", kThreshold}, {"blocks", json::array()}, {"parts", json::object()}};
  for (const Sums& block : blocks_) {
    json row = block.row();
    row["part"] = block.part;
    row["block"] = block.block;
    document["blocks"].push_back(std::move(row));
  }
  for (const Sums& part : parts_) document["parts"][part.part] = part.row();
  return document;
}

std::string change_text(const json& document) {
  const auto line = [](const std::string& name, const json& row) {
    const json& relative = row.at("relative");
    return fmt::format("{:<40} {:>7} {:>12} {:>10.3e} {:>10.3e} {:>7.3f} {:>10}\n", name,
                       row.at("tensors").get<std::int64_t>(),
                       row.at("parameters").get<std::int64_t>(), row.at("mean").get<double>(),
                       row.at("weighted_mean").get<double>(), row.at("share").get<double>(),
                       relative.is_null() ? "-" : fmt::format("{:.3e}", relative.get<double>()));
  };
  std::string text = fmt::format("{:<40} {:>7} {:>12} {:>10} {:>10} {:>7} {:>10}\n", "block",
                                 "tensors", "parameters", "MAWC", "weighted", "> 5e-4", "relative");
  for (const json& block : document.at("blocks")) {
    text += line(fmt::format("{} {}", block.at("part").get<std::string>(),
                             block.at("block").get<std::string>()),
                 block);
  }
  for (const auto& [part, row] : document.at("parts").items()) text += line("all of " + part, row);
  return text;
}

}  // namespace sarsweep::trainer
