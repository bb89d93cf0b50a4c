#include "schema/protocol/worker_state.h"

#include "schema/protocol/spelling.h"

namespace sarsweep {

std::string_view to_string(Drain drain) {
  switch (drain) {
    case Drain::none: return "none";
    case Drain::finish: return "finish";
    case Drain::now: return "now";
  }
  return "";
}

std::optional<Drain> parse_drain(std::string_view text) {
  return parse_spelling<Drain>(text, kDrains);
}

}  // namespace sarsweep
