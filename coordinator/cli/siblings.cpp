#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "coordinator/cli/commands.h"
#include "schema/base/subprocess.h"

namespace sarsweep::cli {

void become(const std::string& program, const std::vector<std::string>& arguments) {
  const std::string path = (program_folder() / program).string();
  std::vector<std::string> command = {path};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& text : command) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  execv(path.c_str(), pointers.data());
  throw Error(ErrorCode::internal, "cannot start " + path + ": " + std::strerror(errno));
}

}  // namespace sarsweep::cli
