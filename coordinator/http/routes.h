#pragma once

#include <vector>

#include "coordinator/http/server.h"

// One function a resource, each in NAME_routes.cpp.
namespace sarsweep::coordinator {

std::vector<Route> session_routes(const RouteContext& context);
std::vector<Route> health_routes(const RouteContext& context);
std::vector<Route> operation_routes(const RouteContext& context);
std::vector<Route> sweep_routes(const RouteContext& context);
std::vector<Route> run_routes(const RouteContext& context);
std::vector<Route> field_routes(const RouteContext& context);
std::vector<Route> artifact_routes(const RouteContext& context);
std::vector<Route> slurm_routes(const RouteContext& context);
std::vector<Route> worker_routes(const RouteContext& context);
std::vector<Route> data_routes(const RouteContext& context);
std::vector<Route> asset_routes(const RouteContext& context);

}  // namespace sarsweep::coordinator
