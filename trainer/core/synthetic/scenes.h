#pragma once

#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "trainer/core/synthetic/canvas.h"

namespace sarsweep::trainer::synthetic {

// A scene as the radar will see it, its caption, and the numbers of what it shows.
struct Scene {
  Reflectivity reflectivity;
  std::string caption;        // "A SAR image of a port with 3 ships along 2 piers"
  nlohmann::json parameters;  // {"ships": 3, "piers": 2}
};

// One kind of scene; `phrase` is what its captions say after "A SAR image of ".
struct SceneKind {
  std::string_view label;
  std::string_view phrase;
  Scene (*draw)(int size, Draws& draws);
};

// The eleven labels: forest, field, airport, structures, beach, seacoast, residential, mountains,
// port, city, industrial.
std::span<const SceneKind> scene_kinds();

// The label whose phrase the caption holds, or empty.
std::string_view label_of_caption(std::string_view caption);

Scene draw_forest(int size, Draws& draws);
Scene draw_field(int size, Draws& draws);
Scene draw_beach(int size, Draws& draws);
Scene draw_seacoast(int size, Draws& draws);
Scene draw_mountains(int size, Draws& draws);
Scene draw_airport(int size, Draws& draws);
Scene draw_structures(int size, Draws& draws);
Scene draw_residential(int size, Draws& draws);
Scene draw_port(int size, Draws& draws);
Scene draw_city(int size, Draws& draws);
Scene draw_industrial(int size, Draws& draws);

}  // namespace sarsweep::trainer::synthetic
