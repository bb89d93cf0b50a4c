#pragma once

#include <array>
#include <optional>
#include <string_view>

// What people ask of workers, spelled as in SQL and JSON.
namespace sarsweep {

// Whether a worker takes new runs. It stands with the worker's name until a person lifts it,
// whatever is started again meanwhile.
enum class Drain {
  none,    // it takes them
  finish,  // not, and lets those it has end
  now      // not, and lets those it has save, to go on elsewhere
};
inline constexpr std::array kDrains = {Drain::none, Drain::finish, Drain::now};

std::string_view to_string(Drain drain);
std::optional<Drain> parse_drain(std::string_view text);  // nullopt: unknown spelling.

}  // namespace sarsweep
