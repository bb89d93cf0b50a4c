#pragma once

#include <httplib.h>

#include <map>
#include <string>

#include "coordinator/http/bounded_pool.h"
#include "coordinator/http/guarded_stream.h"
#include "coordinator/http/lobby.h"
#include "schema/base/guarded.h"

namespace sarsweep::coordinator {

struct ServerLimits {
  StreamLimits stream;
  int threads = 64;
  int waiting = 256;           // connections behind the busy threads; more get 503 at once
  int per_address = 48;        // live connections of one address
  std::size_t in_lobby = 256;  // connections whose headers are not complete
};

// httplib's server with one request per connection on a GuardedStream, a bounded queue and a cap on
// each address. A connection gets a thread once its headers are complete, not before. Everything
// the packaged 0.11 gets wrong (chunked bodies without a cap, smuggled requests, drip feeding) ends
// here or in check_ingress.
class GuardedServer final : public httplib::Server {
 public:
  explicit GuardedServer(ServerLimits limits);
  ~GuardedServer() override;

  // Binds; port 0 lets the system choose. Returns the port. Throws Error(invalid) if it is taken.
  int bind(const std::string& host, int port);

  // Answers the one request of a connected socket on the calling thread, and closes it.
  void answer(int socket);

 private:
  bool process_and_close_socket(socket_t socket) override;
  bool count(const std::string& address);
  void release(const std::string& address);
  void admit(const Visitor& visitor);
  void serve(const Visitor& visitor);
  void drain();

  ServerLimits limits_;
  Guarded<std::map<std::string, int>> live_;  // connections by address
  BoundedPool pool_;
  Lobby lobby_;
};

}  // namespace sarsweep::coordinator
