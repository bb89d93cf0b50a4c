#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "schema/base/error.h"
#include "schema/base/subprocess.h"
#include "trainer/dist/communicator.h"
#include "trainer/dist/mpi_module.h"

namespace sarsweep::trainer {
namespace {

// 1 where no mpirun started this process.
int ranks_of_mpirun() {
  const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
  return size == nullptr ? 1 : std::atoi(size);
}

}  // namespace

std::unique_ptr<Communicator> join_ranks(const RosterLimits& limits) {
  const int ranks = ranks_of_mpirun();
  if (ranks <= 1) return single_process();
  const std::filesystem::path file = program_folder() / kMpiModule;
  // Global: Open MPI's own plug-ins look for its symbols there. Never closed: MPI cannot begin
  // twice.
  void* module = ::dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  void* open = module == nullptr ? nullptr : ::dlsym(module, kOpenMpi);
  if (open == nullptr) {
    throw Error(ErrorCode::unreachable,
                fmt::format("mpirun started {} ranks, but MPI cannot be loaded ({}); install Open "
                            "MPI (script/bootstrap) and build with it",
                            ranks, ::dlerror()));
  }
  return std::unique_ptr<Communicator>(reinterpret_cast<OpenMpi>(open)(limits));
}

}  // namespace sarsweep::trainer
