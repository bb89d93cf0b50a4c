#include "coordinator/http/server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "coordinator/http/guarded_server.h"
#include "coordinator/http/ingress_rules.h"
#include "coordinator/http/routes.h"
#include "coordinator/http/upload.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/log.h"

namespace sarsweep::coordinator {
namespace {

using HandlerResponse = httplib::Server::HandlerResponse;

constexpr const char* kRetryAfter = "5";  // seconds
constexpr std::int64_t kMostDiscarded = 8 << 20;

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid: return 400;
    case ErrorCode::unauthorized: return 401;
    case ErrorCode::forbidden: return 403;
    case ErrorCode::not_found: return 404;
    case ErrorCode::conflict:
    case ErrorCode::fenced: return 409;
    case ErrorCode::too_large: return 413;
    case ErrorCode::busy:
    case ErrorCode::unreachable: return 503;
    case ErrorCode::no_space: return 507;
    case ErrorCode::internal: return 500;
  }
  return 500;
}

nlohmann::json error_body(std::string_view code, const std::string& message,
                          const std::string& field = {}) {
  nlohmann::json error = {{"code", code}, {"message", message}};
  if (!field.empty()) error["field"] = field;
  return {{"error", error}};
}

void put(httplib::Response& response, const Reply& reply) {
  response.status = reply.status;
  for (const auto& [name, value] : reply.headers) response.set_header(name, value);
  if (reply.status == 304 || reply.body.empty()) return;
  // A provider of known length: the library compresses plain contents anew on every request, and
  // Brotli takes ten seconds over Plotly.
  response.set_content_provider(
      reply.body.size(), reply.mime,
      [body = reply.body](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
        return sink.write(body.data() + offset, length);
      });
}

void put_error(httplib::Response& response, int status, std::string_view code,
               const std::string& message) {
  put(response, Reply::of(error_body(code, message), status));
}

// Runs `work`; the one place where an exception becomes a response.
template <typename Work>
void translate(const httplib::Request& request, httplib::Response& response, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) {
      spdlog::error("{} {}: {}", request.method, request.path, printable(error.what()));
      put_error(response, 500, "internal", "the coordinator failed; see its log");
      return;
    }
    put(response, Reply::of(error_body(to_string(error.code()), error.what(), error.field()),
                            http_status(error.code())));
    const bool passes = error.code() == ErrorCode::busy || error.code() == ErrorCode::no_space;
    if (passes) response.set_header("Retry-After", kRetryAfter);
  } catch (const std::exception& error) {
    spdlog::error("{} {}: {}", request.method, request.path, printable(error.what()));
    put_error(response, 500, "internal", "the coordinator failed; see its log");
  }
}

httplib::Headers security_headers() {
  return {{"Content-Security-Policy",
           "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
           "img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; "
           "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"}};
}

std::string cookie_of(const httplib::Request& request) {
  static constexpr std::string_view kName = "sarsweep_session=";
  const std::string all = request.get_header_value("Cookie");
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find(';', at), all.size());
    std::string_view part = std::string_view(all).substr(at, end - at);
    while (part.starts_with(' ')) part.remove_prefix(1);
    if (part.starts_with(kName)) return std::string(part.substr(kName.size()));
    at = end + 1;
  }
  return {};
}

Principal caller_of(const httplib::Request& request, const Identity& identity) {
  static constexpr std::string_view kBearer = "Bearer ";
  const std::string header = request.get_header_value("Authorization");
  if (std::string_view(header).starts_with(kBearer)) {
    return identity.from_bearer(header.substr(kBearer.size()));
  }
  const std::string cookie = cookie_of(request);
  return cookie.empty() ? Principal{} : identity.from_cookie(cookie);
}

// How this machine itself names an address it listens on.
std::string name_of(const std::string& host) {
  if (host == "0.0.0.0") return "127.0.0.1";
  if (host == "::") return "[::1]";
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

struct HttpServer::Impl {
  Impl(Coordinator& coordinator_in, Identity& identity_in, const ServerOptions& options_in)
      : coordinator(coordinator_in),
        identity(identity_in),
        options(options_in),
        control(ServerLimits{}),
        data(ServerLimits{StreamLimits{}, 16, 256, 48}),
        routes(all_routes(
            {coordinator_in, identity_in, &shown_url, &shown_data_url, secure_host(options_in)})) {
    open(control, Listener::control, options.port, url);
    open(data, Listener::data, options.data_port, data_url);
    shown_url = served_as(options.public_address, url);
    shown_data_url = served_as(options.public_data_address, data_url);
  }

  static std::string secure_host(const ServerOptions& options) {
    return options.public_address && options.public_address->tls ? options.public_address->authority
                                                                 : std::string();
  }
  std::string served_as(const std::optional<PublicAddress>& address, const std::string& otherwise) {
    if (!address) return otherwise;
    hosts.push_back(address->authority);
    return address->url;
  }

  void open(GuardedServer& server, Listener listener, int port, std::string& address) {
    server.set_default_headers(security_headers());
    server.set_pre_routing_handler([this, listener](const auto& request, auto& response) {
      HandlerResponse done = HandlerResponse::Handled;
      translate(request, response, [&] { done = before_body(request, response, listener); });
      return done;
    });
    const auto plain = [this, listener](const auto& request, auto& response) {
      translate(request, response, [&] { serve(request, response, listener, nullptr); });
    };
    server.Get(".*", plain);
    server.Post(".*", httplib::Server::Handler(plain));
    server.Put(".*", [this, listener](const auto& request, auto& response, const auto& reader) {
      translate(request, response, [&] { serve(request, response, listener, &reader); });
    });
    const int bound = server.bind(options.host, port);
    const std::string here = name_of(options.host);
    address = fmt::format("http://{}:{}", here, bound);
    for (const std::string& name :
         {here, std::string("127.0.0.1"), std::string("localhost"), std::string("[::1]")}) {
      hosts.push_back(fmt::format("{}:{}", name, bound));
    }
  }

  // Everything that can be refused before the body is read.
  HandlerResponse before_body(const httplib::Request& request, httplib::Response& response,
                              Listener listener) {
    if (const auto fault = check_ingress(request, hosts)) {
      put_error(response, fault->status, fault->code, fault->message);
      return HandlerResponse::Handled;
    }
    const RouteMatch match = match_route(routes, listener, verb_of(request), request.path);
    if (match.route == nullptr) return refuse_path(request, response, match);
    if (declared_length(request) > match.route->body_cap) {
      put_error(response, 413, "too_large",
                fmt::format("the body may have {} bytes", match.route->body_cap));
      return HandlerResponse::Handled;
    }
    return authorise(request, response, *match.route);
  }

  static HandlerResponse refuse_path(const httplib::Request& request, httplib::Response& response,
                                     const RouteMatch& match) {
    if (match.allowed.empty()) {
      put_error(response, 404, "not_found", "no such path");
    } else {
      put_error(response, 405, "invalid", "this path does not take " + request.method);
      response.set_header("Allow", match.allowed);
    }
    return HandlerResponse::Handled;
  }

  static std::string verb_of(const httplib::Request& request) {
    return request.method == "HEAD" ? "GET" : request.method;
  }

  HandlerResponse authorise(const httplib::Request& request, httplib::Response& response,
                            const Route& route) {
    if (options.authentication == Authentication::off || route.role == Role::nobody) {
      return HandlerResponse::Unhandled;
    }
    const Principal caller = caller_of(request, identity);
    if (caller.role == Role::nobody) {
      const bool tried = request.has_header("Authorization");
      const bool often = tried && identity.failed_too_often(request.remote_addr);
      put_error(response, often ? 429 : 401, "unauthorized",
                often
                    ? "too many wrong tokens; wait a minute"
                    : "no valid token: the CLI reads it from <home>/token, the dashboard from the "
                      "login address that `sarsweep up` prints");
      return HandlerResponse::Handled;
    }
    if (!may(caller.role, route.role)) {
      put_error(response, 403, "forbidden",
                fmt::format("this needs the role {}", to_string(route.role)));
      return HandlerResponse::Handled;
    }
    if (caller.csrf && route.method != "GET" &&
        !equal_secrets(request.get_header_value("X-CSRF-Token"), *caller.csrf)) {
      put_error(response, 403, "forbidden", "a change from a page needs its X-CSRF-Token");
      return HandlerResponse::Handled;
    }
    return HandlerResponse::Unhandled;
  }

  // A sender that is refused hears so only once it has sent its body, or a good part of it.
  static void admit(const Route& route, const Call& call, const httplib::ContentReader& reader) {
    try {
      route.admit(call);
    } catch (const Error&) {
      discard(reader, kMostDiscarded);
      throw;
    }
  }

  void serve(const httplib::Request& request, httplib::Response& response, Listener listener,
             const httplib::ContentReader* reader) {
    const RouteMatch match = match_route(routes, listener, verb_of(request), request.path);
    if (match.route == nullptr) throw Error(ErrorCode::not_found, "no such path");
    Call call;
    call.path = match.path;
    call.body = request.body;
    call.caller = options.authentication == Authentication::off
                      ? Principal{Role::admin, "anyone", std::nullopt}
                      : caller_of(request, identity);
    for (const auto& [name, value] : request.headers) call.headers[lower(name)] = value;
    for (const auto& [name, value] : request.params) {
      const auto& known = match.route->query;
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        throw Error(ErrorCode::invalid, "unknown query key '" + printable(name, 64) + "'", name);
      }
      call.query.emplace(name, value);
    }
    if (reader != nullptr && match.route->streamed()) {
      admit(*match.route, call, *reader);
      call.upload = receive_file(*reader, coordinator.incoming_folder(), declared_length(request));
    }
    put(response, match.route->handle(call));
    if (response.get_header_value("Cache-Control").empty()) {
      response.set_header("Cache-Control", "no-store");
    }
  }

  Coordinator& coordinator;
  Identity& identity;
  ServerOptions options;
  std::string url, data_url, shown_url, shown_data_url;
  std::vector<std::string> hosts;
  GuardedServer control, data;
  std::vector<Route> routes;
};

HttpServer::HttpServer(Coordinator& coordinator, Identity& identity, const ServerOptions& options)
    : impl_(std::make_unique<Impl>(coordinator, identity, options)) {}
HttpServer::~HttpServer() = default;

std::string HttpServer::url() const { return impl_->url; }
std::string HttpServer::data_url() const { return impl_->data_url; }
std::string HttpServer::public_url() const { return impl_->shown_url; }

void HttpServer::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any changed;
  int serving = 2;
  const auto listen = [&](GuardedServer& server) {
    server.listen_after_bind();
    const std::lock_guard lock(mutex);
    --serving;
    changed.notify_all();
  };
  const std::jthread control([&] { listen(impl_->control); });
  const std::jthread data([&] { listen(impl_->data); });
  std::unique_lock lock(mutex);
  changed.wait(lock, stop, [&] { return serving < 2; });
  // The library ignores a stop that comes before its loop began, hence more than one.
  while (serving > 0) {
    impl_->control.stop();
    impl_->data.stop();
    changed.wait_for(lock, std::chrono::milliseconds(20), [&] { return serving == 0; });
  }
}

void HttpServer::answer(Listener listener, int socket) {
  (listener == Listener::control ? impl_->control : impl_->data).answer(socket);
}

std::vector<Route> all_routes(const RouteContext& context) {
  std::vector<Route> all;
  for (const auto& part :
       {session_routes, health_routes, operation_routes, sweep_routes, run_routes, field_routes,
        artifact_routes, slurm_routes, worker_routes, data_routes, asset_routes}) {
    std::vector<Route> routes = part(context);
    std::move(routes.begin(), routes.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace sarsweep::coordinator
