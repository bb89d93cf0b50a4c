#include "tests/support/canned_server.h"

#include <httplib.h>

#include <thread>

#include "schema/base/guarded.h"

namespace sarsweep {

struct CannedServer::Impl {
  std::function<Answer(const Asked&)> answer;
  Guarded<std::vector<Asked>> asked;
  httplib::Server server;
  int port = 0;
  std::jthread thread;
};

CannedServer::CannedServer(std::function<Answer(const Asked&)> answer)
    : impl_(std::make_unique<Impl>()) {
  impl_->answer = std::move(answer);
  const auto serve = [impl = impl_.get()](const httplib::Request& request,
                                          httplib::Response& response) {
    const Asked asked = {request.method, request.target, request.get_header_value("Authorization"),
                         request.get_header_value("Idempotency-Key"), request.body};
    impl->asked.with([&](auto& all) { all.push_back(asked); });
    const Answer said = impl->answer(asked);
    response.status = said.status;
    response.set_content(said.body.dump(), "application/json");
  };
  impl_->server.Get("/ready", [](const httplib::Request&, httplib::Response&) {});
  impl_->server.Get(".*", serve);
  impl_->server.Post(".*", serve);
  impl_->port = impl_->server.bind_to_any_port("127.0.0.1");
  impl_->thread = std::jthread([impl = impl_.get()] { impl->server.listen_after_bind(); });
  // An answer proves that stop() will find it running.
  httplib::Client(url()).Get("/ready");
}

CannedServer::~CannedServer() { impl_->server.stop(); }

std::string CannedServer::url() const { return "http://127.0.0.1:" + std::to_string(impl_->port); }

std::vector<CannedServer::Asked> CannedServer::asked() const {
  return impl_->asked.with([](const auto& all) { return all; });
}

}  // namespace sarsweep
