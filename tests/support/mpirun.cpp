#include "tests/support/mpirun.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/support/present.h"

namespace sarsweep::tests {
namespace {

std::string find_on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = folder + "/" + program;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

std::string read_all(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

std::optional<std::vector<std::string>> mpirun(int ranks, const std::vector<std::string>& command) {
  const std::string program = find_on_path("mpirun");
  if (!present(!program.empty(), "mpirun")) return std::nullopt;
  std::vector<std::string> words = {
      program, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none",
      "-n",    std::to_string(ranks)};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

int rank_process(int job, int rank) {
  const std::filesystem::path proc = "/proc";
  const std::string wanted = "OMPI_COMM_WORLD_RANK=" + std::to_string(rank) + '\0';
  const std::string of_job = std::to_string(job);
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator(proc / of_job / "task", gone)) {
    std::istringstream children(read_all(thread.path() / "children"));
    for (std::string child; children >> child;) {
      if (read_all(proc / child / "environ").find(wanted) != std::string::npos) {
        return std::stoi(child);
      }
    }
  }
  return 0;
}

}  // namespace sarsweep::tests
