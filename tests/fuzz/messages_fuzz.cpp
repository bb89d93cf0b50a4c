// Whatever the bytes of a body, it becomes a message or an Error(invalid) of one line; and what was
// read says the same when it is written and read again. The first byte chooses the message.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/protocol/messages.h"

namespace {

using nlohmann::json;
using namespace sarsweep;

template <typename Message>
void read(std::string_view body) {
  const json document = parse_json(body, "the body");
  const json first = document.get<Message>();
  if (json(first.get<Message>()) != first) std::abort();
}

constexpr std::array kReaders = {read<SweepSource>, read<RegisterRequest>, read<LeaseRequest>,
                                 read<HeartbeatRequest>, read<FinishRequest>};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    kReaders[data[0] % kReaders.size()](body);
  } catch (const Error& error) {
    const bool one_line = std::string_view(error.what()).find('\n') == std::string_view::npos;
    if (error.code() != ErrorCode::invalid || !one_line) std::abort();
  }
  return 0;
}
