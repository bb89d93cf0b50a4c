#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "schema/base/error.h"
#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using Kind = Stretch::Kind;
using Scope = Stretch::Scope;

constexpr std::array kKinds = {
    std::pair{Kind::none, "none"}, std::pair{Kind::mean3sigma, "mean3sigma"},
    std::pair{Kind::sqrt, "sqrt"}, std::pair{Kind::log, "log"}, std::pair{Kind::window, "window"}};
constexpr std::array kScopes = {std::pair{Scope::image, "image"}, std::pair{Scope::scene, "scene"},
                                std::pair{Scope::dataset, "dataset"}};

template <typename Table>
const char* name_of(const Table& table, decltype(table[0].first) value) {
  for (const auto& [entry, name] : table) {
    if (entry == value) return name;
  }
  return "";
}

template <typename Table>
auto value_of(const Table& table, const std::string& name, const char* field) {
  for (const auto& [entry, spelling] : table) {
    if (name == spelling) return entry;
  }
  std::string known;
  for (const auto& entry : table) known += (known.empty() ? "" : ", ") + std::string(entry.second);
  throw Error(ErrorCode::invalid, fmt::format("{} '{}' is not one of {}", field, name, known),
              field);
}

double finite_number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number() || !std::isfinite(found->get<double>())) {
    throw Error(ErrorCode::invalid,
                fmt::format("data.stretch {} needs a finite number '{}'", object.dump(), key),
                "data.stretch");
  }
  return found->get<double>();
}

double unit(double value) { return std::clamp(value, 0.0, 1.0); }

double forward_value(const Stretch& stretch, double reference, double a) {
  switch (stretch.kind) {
    case Kind::none: return unit(a);
    case Kind::mean3sigma: return unit(a / reference);
    case Kind::sqrt: return std::sqrt(unit(a / reference));
    case Kind::log:
      return unit(std::log1p(kLogGain * std::max(0.0, a / reference)) / std::log1p(kLogGain));
    case Kind::window: return unit((a - stretch.lo) / (stretch.hi - stretch.lo));
  }
  return a;
}

double inverse_value(const Stretch& stretch, double y) {
  switch (stretch.kind) {
    case Kind::none: return y;
    case Kind::mean3sigma: return y * stretch.reference;
    case Kind::sqrt: return y * y * stretch.reference;
    case Kind::log: return std::expm1(y * std::log1p(kLogGain)) / kLogGain * stretch.reference;
    case Kind::window: return stretch.lo + y * (stretch.hi - stretch.lo);
  }
  return y;
}

bool has_reference(Kind kind) { return kind != Kind::none && kind != Kind::window; }

double image_reference(const AmplitudeImage& image) {
  AmplitudeStatistics statistics;
  statistics.add(image);
  const double reference = statistics.mean() + 3 * statistics.sigma();
  return reference > 0 ? reference : 1.0;  // An all-black picture stays black.
}

Stretch make_window(const json& value) {
  for (const auto& [key, bound] : value.items()) {
    if (key != "lo" && key != "hi") {
      throw Error(ErrorCode::invalid,
                  fmt::format("data.stretch has the keys lo and hi, not '{}'", key),
                  "data.stretch");
    }
  }
  Stretch stretch{
      .kind = Kind::window, .lo = finite_number(value, "lo"), .hi = finite_number(value, "hi")};
  if (stretch.lo < 0 || stretch.hi <= stretch.lo) {
    throw Error(ErrorCode::invalid,
                fmt::format("data.stretch {{lo: {}, hi: {}}}: 0 <= lo < hi must hold", stretch.lo,
                            stretch.hi),
                "data.stretch");
  }
  return stretch;
}

std::string stretch_name(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "none";
  throw Error(ErrorCode::invalid,
              fmt::format("data.stretch must be none, mean3sigma, sqrt, log or {{lo, hi}} (got {})",
                          value.dump()),
              "data.stretch");
}

}  // namespace

AmplitudeImage Stretch::forward(const AmplitudeImage& amplitude) const {
  const bool measured = has_reference(kind) && scope == Scope::image;
  const double by = measured ? image_reference(amplitude) : reference;
  AmplitudeImage stretched = amplitude;
  for (float& pixel : stretched.pixels) {
    pixel = static_cast<float>(forward_value(*this, by, pixel));
  }
  return stretched;
}

AmplitudeImage Stretch::inverse(const AmplitudeImage& stretched) const {
  if (!invertible()) {
    throw Error(ErrorCode::invalid,
                fmt::format("the stretch {} was measured on each image and cannot be undone; use "
                            "data.stretch_scope dataset",
                            name_of(kKinds, kind)),
                "data.stretch_scope");
  }
  AmplitudeImage amplitude = stretched;
  for (float& pixel : amplitude.pixels) {
    pixel = static_cast<float>(inverse_value(*this, unit(pixel)));
  }
  return amplitude;
}

bool Stretch::invertible() const { return !has_reference(kind) || scope == Scope::dataset; }

json Stretch::to_json() const {
  json document = {{"kind", name_of(kKinds, kind)}};
  if (kind == Kind::window) {
    document["lo"] = lo;
    document["hi"] = hi;
  }
  if (has_reference(kind)) {
    document["scope"] = name_of(kScopes, scope);
    if (scope != Scope::image) document["reference"] = reference;
  }
  return document;
}

Stretch Stretch::from_json(const json& document) {
  if (!document.is_object() || !document.contains("kind") || !document["kind"].is_string()) {
    throw Error(ErrorCode::invalid, fmt::format("stretch {} has no 'kind'", document.dump()),
                "stretch");
  }
  Stretch stretch;
  stretch.kind = value_of(kKinds, document["kind"].get<std::string>(), "stretch");
  if (stretch.kind == Kind::window) {
    return make_window(
        {{"lo", finite_number(document, "lo")}, {"hi", finite_number(document, "hi")}});
  }
  if (!has_reference(stretch.kind)) return stretch;
  stretch.scope =
      value_of(kScopes, document.value("scope", std::string("dataset")), "stretch scope");
  if (stretch.scope != Scope::image) stretch.reference = finite_number(document, "reference");
  if (stretch.reference <= 0) {
    throw Error(ErrorCode::invalid,
                fmt::format("stretch reference {} must be above 0", stretch.reference), "stretch");
  }
  return stretch;
}

bool needs_statistics(const json& config_value, const std::string& scope) {
  if (config_value.is_object()) return false;
  return stretch_name(config_value) != "none" && scope == "dataset";
}

Stretch stretch_kind(const json& config_value) { return make_stretch(config_value, "image", 1, 0); }

Stretch make_stretch(const json& config_value, const std::string& scope, double images_mean,
                     double images_sigma) {
  if (config_value.is_object()) return make_window(config_value);
  Stretch stretch;
  stretch.kind = value_of(kKinds, stretch_name(config_value), "data.stretch");
  if (stretch.kind == Kind::window) {
    throw Error(ErrorCode::invalid, "data.stretch: a window is written {lo: NUMBER, hi: NUMBER}",
                "data.stretch");
  }
  stretch.scope = value_of(kScopes, scope, "data.stretch_scope");
  if (stretch.scope == Scope::scene) {
    throw Error(ErrorCode::invalid,
                "data.stretch_scope scene is not supported by this version; use dataset or image",
                "data.stretch_scope");
  }
  if (!has_reference(stretch.kind) || stretch.scope == Scope::image) return stretch;
  stretch.reference = images_mean + 3 * images_sigma;
  if (!(stretch.reference > 0) || !std::isfinite(stretch.reference)) {
    throw Error(ErrorCode::invalid,
                fmt::format("data.stretch {}: mean {} and sigma {} of the training split give no "
                            "range; are all pictures black?",
                            name_of(kKinds, stretch.kind), images_mean, images_sigma),
                "data.stretch");
  }
  return stretch;
}

}  // namespace sarsweep::trainer
