#include "coordinator/http/routes.h"
#include "dashboard/assets.h"

namespace sarsweep::coordinator {
namespace {

Reply serve(const dashboard::Asset& asset, const Call& call) {
  Reply reply;
  const std::string tag = "\"" + std::string(asset.digest) + "\"";
  reply.headers["ETag"] = tag;
  reply.headers["Cache-Control"] = "no-cache";
  if (call.header("if-none-match") == tag) {
    reply.status = 304;
    return reply;
  }
  reply.body = asset.content;
  reply.mime = asset.mime;
  return reply;
}

}  // namespace

std::vector<Route> asset_routes(const RouteContext&) {
  std::vector<Route> routes;
  for (const dashboard::Asset& asset : dashboard::assets()) {
    const auto get = [&asset](const Call& call) { return serve(asset, call); };
    const std::string path = asset.path == "/index.html" ? "/" : std::string(asset.path);
    routes.push_back({"GET", path, Role::nobody, Listener::control, {}, 0, get});
  }
  return routes;
}

}  // namespace sarsweep::coordinator
