#pragma once

#include <cstdio>
#include <string>

namespace sarsweep::trainer {

inline const std::string kTarEnd(1024, '\0');

// Header, content and padding of one member, as ustar.
inline std::string tar_member(const std::string& name, const std::string& content,
                              char type = '0') {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  char size[16];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  header.replace(124, 11, size);
  header[156] = type;
  header.replace(257, 5, "ustar");
  header.replace(263, 2, "00");
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char checksum[16];
  std::snprintf(checksum, sizeof checksum, "%06o", sum);
  header.replace(148, 7, std::string(checksum, 6) + '\0');
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

}  // namespace sarsweep::trainer
