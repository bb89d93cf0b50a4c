#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace sarsweep {

// SHA-256 in lower-case hex (64 characters).
std::string sha256(std::string_view bytes);
std::string sha256_file(const std::filesystem::path& path);  // Throws Error(not_found).
std::string hmac_sha256(std::string_view key, std::string_view message);
std::string random_hex(int bytes);  // From the system's generator.

// True if equal; the time does not depend on where they differ.
bool equal_secrets(std::string_view a, std::string_view b);

// A digest fed in pieces. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::string_view bytes);
  std::string hex();  // Ends the digest: call once.

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sarsweep
