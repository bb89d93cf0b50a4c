#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "coordinator/core/coordinator.h"
#include "coordinator/http/identity.h"
#include "coordinator/http/route.h"

namespace sarsweep::coordinator {

enum class Authentication { required, off };

struct ServerOptions {
  std::string host = "127.0.0.1";  // loopback only: another address needs TLS in front
  int port = 8765;                 // 0: the system chooses
  int data_port = 0;
  Authentication authentication = Authentication::required;
};

// The public and the data listener in front of a coordinator. Built = bound; `run` serves.
class HttpServer {
 public:
  HttpServer(Coordinator& coordinator, Identity& identity, const ServerOptions& options);
  ~HttpServer();

  std::string url() const;  // "http://127.0.0.1:8765"
  std::string data_url() const;
  // Serves on two threads until `stop`, then finishes what runs.
  void run(const std::stop_token& stop);
  // Answers the one request of a connected socket on the calling thread, and closes it: what a
  // listener does once the headers are complete, without its threads.
  void answer(Listener listener, int socket);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Every route of both listeners; a test holds openapi.yaml against it.
struct RouteContext {
  Coordinator& coordinator;
  Identity& identity;
  std::string* url;  // filled in once bound
  std::string* data_url;
};
std::vector<Route> all_routes(const RouteContext& context);

}  // namespace sarsweep::coordinator
