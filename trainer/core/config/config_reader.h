#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace sarsweep::trainer {

// One key of a config.json that must have the only value this program computes. `fallback` is what
// the library that writes such files assumes where the key is absent.
struct FixedKey {
  const char* key;
  nlohmann::json required;
  nlohmann::json fallback;
};

// Reads the keys of one config.json; every refusal is an Error(invalid) that names the file's kind,
// the key and the value. A key that is null is absent.
class ConfigReader {
 public:
  // `document` outlives the reader. `what`: "UNet".
  ConfigReader(const nlohmann::json& document, const char* what);

  [[noreturn]] void refuse(const std::string& why) const;
  bool has(const char* key) const;

  int integer(const char* key, int low = 1) const;
  int integer_or(const char* key, int fallback, int low = 1) const;
  double positive_or(const char* key, double fallback) const;
  std::string text_or(const char* key, const std::string& fallback) const;
  std::vector<int> integers(const char* key) const;
  // A list of `count` integers, or one integer that stands for all of them.
  std::vector<int> integers_per_level(const char* key, std::size_t count) const;
  // Block types of every level, each one of `known`.
  std::vector<std::string> block_types(const char* key, std::size_t count,
                                       const std::vector<std::string>& known) const;
  void require_fixed(const std::vector<FixedKey>& keys) const;

 private:
  const nlohmann::json& get(const char* key) const;

  const nlohmann::json& document_;
  const char* what_;
};

}  // namespace sarsweep::trainer
