#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "coordinator/core/coordinator.h"
#include "coordinator/http/identity.h"
#include "coordinator/http/public_address.h"
#include "coordinator/http/route.h"

namespace sarsweep::coordinator {

enum class Authentication { required, off };

struct ServerOptions {
  std::string host = "127.0.0.1";  // another address needs TLS in front
  int port = 8765;                 // 0: the system chooses
  int data_port = 0;
  Authentication authentication = Authentication::required;
  // Of a proxy in front of the listeners, which are served under these names as well.
  std::optional<PublicAddress> public_address = {}, public_data_address = {};
};

// The public and the data listener in front of a coordinator. Built = bound; `run` serves.
class HttpServer {
 public:
  HttpServer(Coordinator& coordinator, Identity& identity, const ServerOptions& options);
  ~HttpServer();

  std::string url() const;  // on this machine: "http://127.0.0.1:8765"
  std::string data_url() const;
  std::string public_url() const;  // the proxy's, or the same
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
  std::string* url;  // as others reach it; filled in once bound
  std::string* data_url;
  std::string secure_host = {};  // the Host behind which all is TLS; empty: none
};
std::vector<Route> all_routes(const RouteContext& context);

}  // namespace sarsweep::coordinator
