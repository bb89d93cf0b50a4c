#include "coordinator/http/routes.h"
#include "schema/base/atomic_file.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::uintmax_t kMostServed = 256u << 20;

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Reply artifact(Coordinator& core, const Call& call) {
  const std::string name = call.path.at("sha256");
  if (!is_sha256(name)) throw Error(ErrorCode::not_found, "no such artifact");
  const std::filesystem::path file = core.artifact(name);
  if (std::filesystem::file_size(file) > kMostServed) {
    throw Error(ErrorCode::too_large, "artifacts over 256 MiB are read from the store");
  }
  Reply reply;
  reply.body = read_file(file);
  const bool png = reply.body.starts_with("\x89PNG\r\n\x1a\n");
  reply.mime = png ? "image/png" : "application/octet-stream";
  if (!png) {
    reply.headers["Content-Disposition"] = "attachment";
    reply.headers["Content-Security-Policy"] = "sandbox; default-src 'none'";
  }
  reply.headers["Cache-Control"] = "private, max-age=31536000, immutable";
  return reply;
}

}  // namespace

std::vector<Route> artifact_routes(const RouteContext& context) {
  Coordinator& core = context.coordinator;
  const auto get = [&core](const Call& call) { return artifact(core, call); };
  return {{"GET", "/api/v1/artifacts/{sha256}", Role::viewer, Listener::control, {}, 0, get}};
}

}  // namespace sarsweep::coordinator
