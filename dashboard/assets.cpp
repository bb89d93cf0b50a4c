#include "dashboard/assets.h"

#include <string>
#include <vector>

#include "schema/base/digest.h"
#include "schema/base/embedded_file.h"

namespace sarsweep {
std::span<const EmbeddedFile> dashboard_files();  // made by sarsweep_embed
}

namespace sarsweep::dashboard {
namespace {

std::string_view mime_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

struct Shelf {
  std::vector<std::string> texts;  // paths and digests
  std::vector<Asset> assets;

  Shelf() {
    const auto files = dashboard_files();
    texts.reserve(2 * files.size());
    for (const EmbeddedFile& file : files) {
      const std::string& path = texts.emplace_back("/" + std::string(file.name));
      const std::string& digest = texts.emplace_back(sha256(file.content));
      assets.push_back({path, mime_of(file.name), file.content, digest});
    }
  }
};

}  // namespace

std::span<const Asset> assets() {
  static const Shelf shelf;
  return shelf.assets;
}

}  // namespace sarsweep::dashboard
