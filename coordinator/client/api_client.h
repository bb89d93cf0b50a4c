#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "schema/base/error.h"

namespace sarsweep::client {

// A request that did not end well: `unreachable` and `busy` may be tried again. `body` is the
// reply's document where there was one (diagnostics, missing, stored).
struct ApiFailure {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  int status = 0;  // 0: no reply
  nlohmann::json body;
};
template <typename T>
using Result = tl::expected<T, ApiFailure>;
using Query = std::vector<std::pair<std::string, std::string>>;

// One coordinator, spoken to over HTTP with a bearer token. One connection a request, no redirects,
// no proxy. An https:// address is spoken to over TLS 1.2 or newer, and only where its certificate
// names the host and is signed by one of the authorities in the PEM file `ca`, or of the system
// where that is empty. Thread-safe (a connection is made per call).
class ApiClient {
 public:
  // Throws Error(invalid) for what is no address, Error(not_found) where `ca` cannot be read.
  ApiClient(std::string url, std::string token, double timeout_s = 15,
            std::filesystem::path ca = {});
  ~ApiClient();
  ApiClient(ApiClient&&) noexcept;

  Result<nlohmann::json> get(const std::string& path, const Query& query = {}) const;
  Result<nlohmann::json> post(const std::string& path, const nlohmann::json& body,
                              const Query& headers = {}) const;
  Result<nlohmann::json> post_bytes(const std::string& path, const Query& query,
                                    std::string_view bytes, const std::string& grant_token) const;
  Result<nlohmann::json> put_file(const std::string& path, const Query& query,
                                  const std::filesystem::path& file,
                                  const std::string& grant_token) const;
  Result<std::string> get_bytes(const std::string& path) const;
  const std::string& url() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The reply, or Error with the failure's code and message.
nlohmann::json value_or_throw(Result<nlohmann::json> result);

}  // namespace sarsweep::client
