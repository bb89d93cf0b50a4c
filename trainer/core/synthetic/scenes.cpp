#include "trainer/core/synthetic/scenes.h"

#include <array>

namespace sarsweep::trainer::synthetic {
namespace {

constexpr std::string_view kStart = "A SAR image of ";
constexpr std::array kKinds = {
    SceneKind{"forest", "a forest", draw_forest},
    SceneKind{"field", "a field", draw_field},
    SceneKind{"airport", "an airport", draw_airport},
    SceneKind{"structures", "structures", draw_structures},
    SceneKind{"beach", "a beach", draw_beach},
    SceneKind{"seacoast", "a seacoast", draw_seacoast},
    SceneKind{"residential", "a residential area", draw_residential},
    SceneKind{"mountains", "mountains", draw_mountains},
    SceneKind{"port", "a port", draw_port},
    SceneKind{"city", "a city", draw_city},
    SceneKind{"industrial", "an industrial site", draw_industrial},
};

}  // namespace

std::span<const SceneKind> scene_kinds() { return kKinds; }

std::string_view label_of_caption(std::string_view caption) {
  if (!caption.starts_with(kStart)) return {};
  const std::string_view rest = caption.substr(kStart.size());
  for (const SceneKind& kind : kKinds) {
    const bool whole_word = rest.size() == kind.phrase.size() ||
                            (rest.size() > kind.phrase.size() && rest[kind.phrase.size()] == ' ');
    if (rest.starts_with(kind.phrase) && whole_word) return kind.label;
  }
  return {};
}

}  // namespace sarsweep::trainer::synthetic
