#include "schema/base/private_folder.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "schema/base/error.h"

namespace sarsweep {

void make_private_folder(const std::filesystem::path& folder) {
  std::error_code failed;
  if (std::filesystem::is_directory(folder, failed)) return;
  const std::filesystem::path parent = std::filesystem::absolute(folder).parent_path();
  std::filesystem::create_directories(parent, failed);
  const int reason = failed ? failed.value() : ::mkdir(folder.c_str(), S_IRWXU) != 0 ? errno : 0;
  if (reason == 0 || (reason == EEXIST && std::filesystem::is_directory(folder, failed))) return;
  throw Error(code_of_errno(reason),
              "cannot create " + folder.string() + ": " + std::strerror(reason));
}

}  // namespace sarsweep
