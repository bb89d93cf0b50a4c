#include "coordinator/client/api_client.h"

#include <httplib.h>
#include <openssl/ssl.h>

#include <fstream>

#include <openssl/x509v3.h>

#include "schema/base/json_text.h"

namespace sarsweep::client {
namespace {

using nlohmann::json;

// What a reply may hold: a long metric series, not an unbounded document.
constexpr JsonLimits kReplyLimits = {.depth = 64, .values = 20'000'000, .string_bytes = 64U << 20U};
constexpr std::size_t kPieceBytes = 1U << 20U;
constexpr int kBusy = 503;
constexpr int kNoSpace = 507;

ErrorCode code_of_status(int status) {
  switch (status) {
    case 400:
    case 422: return ErrorCode::invalid;
    case 401: return ErrorCode::unauthorized;
    case 403: return ErrorCode::forbidden;
    case 404: return ErrorCode::not_found;
    case 409: return ErrorCode::conflict;
    case 413: return ErrorCode::too_large;
    case 429:
    case kBusy: return ErrorCode::busy;
    case kNoSpace: return ErrorCode::no_space;
    default: return ErrorCode::internal;
  }
}

// Checked by OpenSSL itself: the library would take the name from the certificate's subject, too.
void require_host(SSL_CTX* context, const std::string& host) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  X509_VERIFY_PARAM* wanted = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1) return;
  X509_VERIFY_PARAM_set1_host(wanted, host.data(), host.size());
}

// The host of "https://HOST[:PORT]", an IPv6 address without its brackets.
std::string host_of(const std::string& url) {
  const std::string authority = url.substr(url.find("://") + 3);
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.find(':'));
}

std::string reason_of(httplib::Error error) {
  if (error == httplib::Error::SSLServerVerification) {
    return "its certificate is not trusted: name the authority that signed it with --ca FILE, and "
           "the host as the certificate does";
  }
  if (error == httplib::Error::SSLLoadingCerts) return "--ca holds no certificate";
  if (error == httplib::Error::SSLConnection) return "it does not speak TLS";
  return httplib::to_string(error);
}

std::string path_with(const std::string& path, const Query& query) {
  httplib::Params params;
  for (const auto& [key, value] : query) params.emplace(key, value);
  return params.empty() ? path : path + "?" + httplib::detail::params_to_query_str(params);
}

ApiFailure failure_of(const httplib::Response& response, const std::string& what) {
  ApiFailure failure;
  failure.status = response.status;
  failure.code = code_of_status(response.status);
  failure.message = what + " answered " + std::to_string(response.status);
  try {
    failure.body = parse_json(response.body, what, kReplyLimits);
  } catch (const Error&) {
    return failure;  // A proxy's page, say: the status has to do.
  }
  if (!failure.body.is_object() || !failure.body.contains("error")) return failure;
  const json& error = failure.body["error"];
  if (!error.is_object()) return failure;
  if (error.contains("code") && error["code"].is_string()) {
    const auto code = parse_error_code(error["code"].get<std::string>());
    if (code != ErrorCode::internal) failure.code = code;
  }
  if (error.contains("message") && error["message"].is_string()) {
    failure.message = error["message"].get<std::string>();
  }
  return failure;
}

}  // namespace

struct ApiClient::Impl {
  std::string url;
  std::string token;
  double timeout_s;
  std::filesystem::path ca;

  httplib::Headers headers(const Query& extra = {}) const {
    httplib::Headers all = {{"Accept", "application/json"}};
    if (!token.empty()) all.emplace("Authorization", "Bearer " + token);
    for (const auto& [key, value] : extra) all.emplace(key, value);
    return all;
  }

  // Runs one request on a connection of its own.
  template <typename Request>
  Result<std::string> send(const std::string& what, const Request& request) const {
    try {
      httplib::Client connection(url);
      const auto seconds = static_cast<time_t>(timeout_s);
      const auto micros = static_cast<time_t>((timeout_s - static_cast<double>(seconds)) * 1e6);
      connection.set_connection_timeout(seconds, micros);
      connection.set_read_timeout(seconds, micros);
      connection.set_write_timeout(seconds, micros);
      connection.set_keep_alive(false);
      connection.set_follow_location(false);
      connection.set_tcp_nodelay(true);
      if (SSL_CTX* context = connection.ssl_context()) {
        if (!ca.empty()) connection.set_ca_cert_path(ca.string());
        connection.enable_server_certificate_verification(true);
        require_host(context, host_of(url));
      }
      const httplib::Result result = request(connection);
      if (!result) return unreachable(what, reason_of(result.error()));
      if (result->status >= 200 && result->status < 300) return result->body;
      return tl::unexpected(failure_of(*result, what));
    } catch (const std::exception& error) {
      return unreachable(what, error.what());
    }
  }

  tl::unexpected<ApiFailure> unreachable(const std::string& what, const std::string& why) const {
    return tl::unexpected(ApiFailure{
        ErrorCode::unreachable,
        "the coordinator at " + url + " does not answer " + what + " (" + why + ")", 0, nullptr});
  }

  static Result<json> parsed(const Result<std::string>& reply, const std::string& what) {
    if (!reply) return tl::unexpected(reply.error());
    try {
      return parse_json(*reply, what, kReplyLimits);
    } catch (const Error& error) {
      return tl::unexpected(ApiFailure{ErrorCode::internal, error.what(), 200, nullptr});
    }
  }
};

ApiClient::ApiClient(std::string url, std::string token, double timeout_s, std::filesystem::path ca)
    : impl_(std::make_unique<Impl>(
          Impl{std::move(url), std::move(token), timeout_s, std::move(ca)})) {
  while (!impl_->url.empty() && impl_->url.back() == '/') impl_->url.pop_back();
  if (impl_->url.rfind("http://", 0) != 0 && impl_->url.rfind("https://", 0) != 0) {
    throw Error(ErrorCode::invalid,
                "'" + impl_->url + "' is no address of a coordinator; write http://HOST:PORT",
                "url");
  }
  if (!impl_->ca.empty() && !std::ifstream(impl_->ca)) {
    throw Error(ErrorCode::not_found, "cannot read the certificates in " + impl_->ca.string(),
                "ca");
  }
}
ApiClient::~ApiClient() = default;
ApiClient::ApiClient(ApiClient&&) noexcept = default;

Result<json> ApiClient::get(const std::string& path, const Query& query) const {
  const std::string what = "GET " + path;
  return Impl::parsed(impl_->send(what,
                                  [&](httplib::Client& connection) {
                                    return connection.Get(path_with(path, query), impl_->headers());
                                  }),
                      what);
}

Result<json> ApiClient::post(const std::string& path, const json& body,
                             const Query& headers) const {
  const std::string what = "POST " + path;
  return Impl::parsed(impl_->send(what,
                                  [&](httplib::Client& connection) {
                                    return connection.Post(path, impl_->headers(headers),
                                                           body.dump(), "application/json");
                                  }),
                      what);
}

Result<json> ApiClient::post_bytes(const std::string& path, const Query& query,
                                   std::string_view bytes, const std::string& grant_token) const {
  const std::string what = "POST " + path;
  return Impl::parsed(impl_->send(what,
                                  [&](httplib::Client& connection) {
                                    return connection.Post(
                                        path_with(path, query),
                                        impl_->headers({{"X-Sarsweep-Grant", grant_token}}),
                                        bytes.data(), bytes.size(), "application/octet-stream");
                                  }),
                      what);
}

Result<json> ApiClient::put_file(const std::string& path, const Query& query,
                                 const std::filesystem::path& file,
                                 const std::string& grant_token) const {
  const std::string what = "PUT " + path;
  std::ifstream in(file, std::ios::binary);
  std::error_code missing;
  const auto size = std::filesystem::file_size(file, missing);
  if (!in || missing) {
    return tl::unexpected(ApiFailure{ErrorCode::not_found,
                                     "cannot read " + file.string() + " to send it", 0, nullptr});
  }
  std::string piece;
  const auto feed = [&](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
    piece.resize(std::min(length, kPieceBytes));
    in.clear();
    in.seekg(static_cast<std::streamoff>(offset));
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (in.gcount() <= 0) return false;  // The file shrank: the request must fail, not stall.
    return sink.write(piece.data(), static_cast<std::size_t>(in.gcount()));
  };
  return Impl::parsed(impl_->send(what,
                                  [&](httplib::Client& connection) {
                                    return connection.Put(
                                        path_with(path, query),
                                        impl_->headers({{"X-Sarsweep-Grant", grant_token}}), size,
                                        feed, "application/octet-stream");
                                  }),
                      what);
}

Result<std::string> ApiClient::get_bytes(const std::string& path) const {
  return impl_->send("GET " + path, [&](httplib::Client& connection) {
    return connection.Get(path, impl_->headers());
  });
}

const std::string& ApiClient::url() const { return impl_->url; }

json value_or_throw(Result<json> result) {
  if (!result) throw Error(result.error().code, result.error().message);
  return *std::move(result);
}

}  // namespace sarsweep::client
