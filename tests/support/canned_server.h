#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace sarsweep {

// A real HTTP server on a port of the system's choice that answers what a test tells it and
// remembers what it was asked. Serves from construction to destruction.
class CannedServer {
 public:
  struct Asked {
    std::string method;
    std::string target;  // path and query as received
    std::string authorization;
    std::string idempotency_key;
    std::string body;
  };
  struct Answer {
    int status = 200;
    nlohmann::json body;
  };

  explicit CannedServer(std::function<Answer(const Asked&)> answer);  // from any thread
  ~CannedServer();
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;

  std::string url() const;
  std::vector<Asked> asked() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sarsweep
