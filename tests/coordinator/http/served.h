#pragma once

#include <thread>

#include "coordinator/core/coordinator.h"
#include "coordinator/http/server.h"
#include "schema/base/atomic_file.h"
#include "tests/support/raw_http.h"
#include "tests/support/temp_dir.h"

namespace sarsweep::testing {

// A real server on ports of the system's choice, in front of the fake coordinator.
struct Served {
  coordinator::ServerOptions how = {"127.0.0.1", 0, 0};
  TempDir home{};
  coordinator::Coordinator core{options(), system_clock()};
  coordinator::Identity identity{home.path(), system_clock()};
  coordinator::HttpServer server{core, identity, how};
  std::jthread thread{[this](const std::stop_token& stop) { server.run(stop); }};

  coordinator::CoordinatorOptions options() const {
    coordinator::CoordinatorOptions made;
    made.home = home.path();
    made.store = home.path() / "store";
    return made;
  }
  static int port_of(const std::string& url) { return std::stoi(url.substr(url.rfind(':') + 1)); }
  int port() const { return port_of(server.url()); }
  int data_port() const { return port_of(server.data_url()); }
  std::string token(const char* file = "token") const {
    std::string text = read_file(home.path() / file);
    text.pop_back();
    return text;
  }

  // One well-formed request; `headers` end in CRLF each.
  std::string ask(const std::string& method, const std::string& path,
                  const std::string& headers = {}, const std::string& body = {},
                  bool data = false) const {
    const int to = data ? data_port() : port();
    std::string request = method + " " + path +
                          " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(to) + "\r\n" + headers;
    if (!body.empty() || method != "GET") {
      request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    return send_raw(to, request + "\r\n" + body);
  }
  std::string bearer(const char* file = "token") const {
    return "Authorization: Bearer " + token(file) + "\r\n";
  }
};

}  // namespace sarsweep::testing
