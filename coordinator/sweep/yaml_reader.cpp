#include "coordinator/sweep/yaml_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <unordered_set>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "coordinator/sweep/text_guard.h"
#include "coordinator/sweep/typed_scalar.h"

namespace sarsweep::sweep {
namespace {

constexpr int kMostNodes = 100'000;

struct Stopped {};  // Leaves the parser early; never leaves this file.

Place place_of(const YAML::Mark& mark, int length = 1) {
  return {mark.line + 1, mark.column + 1, std::max(length, 1)};
}

// Builds the tree from the parser's events, so that nothing is resolved or expanded on the way.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ < 2) return;
    diagnostics_.error(place_of(mark), "several_documents", "a second document starts here",
                       "put each sweep into a file of its own");
    throw Stopped{};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    scalar(mark, nullptr, 1);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    diagnostics_.error(place_of(mark), "alias", "an alias (*name) is not supported",
                       "write the values out, or put what runs share under base");
    scalar(mark, nullptr, 1);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    const bool quoted = tag == "!";
    if (!quoted) refuse_tag(mark, tag);
    const int length = static_cast<int>(value.size()) + (quoted ? 2 : 0);
    text_ = value;
    scalar(mark, quoted ? nlohmann::json(value) : typed_scalar(value), length);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    YamlNode node;
    std::unordered_set<std::string> keys;
    bool has_key = false;  // of a map: `key` waits for its value
    bool repeated = false;
    std::string key;
    Place key_place;
  };

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == 0) return;
    diagnostics_.error(place_of(mark), "anchor", "an anchor (&name) is not supported",
                       "write the values out, or put what runs share under base");
  }
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    diagnostics_.error(place_of(mark), "tag", "the tag " + tag + " is not supported", "remove it");
  }
  void count(const YAML::Mark& mark) {
    if (++nodes_ <= kMostNodes) return;
    diagnostics_.error(place_of(mark), "too_large", fmt::format("more than {} values", kMostNodes),
                       "split it into several sweeps");
    throw Stopped{};
  }

  void scalar(const YAML::Mark& mark, nlohmann::json value, int length) {
    count(mark);
    const Place place = place_of(mark, length);
    if (waits_for_key()) return take_key(place, value);
    YamlNode node;
    node.place = place;
    node.scalar = std::move(value);
    add(std::move(node));
  }

  bool waits_for_key() const {
    return !levels_.empty() && levels_.back().node.is_map() && !levels_.back().has_key;
  }

  void take_key(Place place, const nlohmann::json& value) {
    Level& level = levels_.back();
    level.has_key = true;
    level.key = value.is_null() ? "" : text_;
    level.key_place = place;
    level.repeated = !level.keys.insert(level.key).second;
    if (value.is_null()) {
      diagnostics_.error(place, "empty_key", "a key is missing before the colon", "name the field");
    } else if (level.key == "<<") {
      diagnostics_.error(place, "merge_key", "merge keys (<<) are not supported",
                         "put what runs share under base");
      level.repeated = true;
    } else if (level.repeated) {
      diagnostics_.error(place, "duplicate_key", "'" + level.key + "' is given twice in this map",
                         "keep one of the two");
    }
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind) {
    count(mark);
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    const bool is_key = waits_for_key();
    if (is_key || levels_.size() >= static_cast<std::size_t>(kDeepest)) {
      diagnostics_.error(place_of(mark), is_key ? "bad_key" : "too_deep",
                         is_key ? "a list or map cannot be a key"
                                : fmt::format("nested deeper than {} levels", kDeepest),
                         is_key ? "write a name" : "write dotted names, such as unet.lr");
      throw Stopped{};
    }
    Level level;
    level.node.kind = kind;
    level.node.place = place_of(mark);
    levels_.push_back(std::move(level));
  }

  void close() {
    YamlNode node = std::move(levels_.back().node);
    levels_.pop_back();
    add(std::move(node));
  }

  void add(YamlNode node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.is_list()) {
      level.node.items.push_back(std::move(node));
      return;
    }
    level.has_key = false;
    if (level.repeated || level.key.empty()) return;
    level.node.entries.push_back({std::move(level.key), level.key_place, std::move(node)});
  }

  Diagnostics& diagnostics_;
  YamlNode root_;
  std::vector<Level> levels_;
  std::string text_;
  int documents_ = 0, nodes_ = 0;
};

}  // namespace

std::optional<YamlNode> read_yaml(std::string_view text, Diagnostics& diagnostics) {
  if (!guard_text(text, diagnostics)) return std::nullopt;
  TreeBuilder builder(diagnostics);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stopped&) {
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    diagnostics.error(place_of(error.mark), "bad_yaml", "this is not YAML: " + error.msg,
                      "check the indentation, quotes and brackets around here");
    return std::nullopt;
  }
  return builder.take();
}

}  // namespace sarsweep::sweep
