#include "schema/base/error.h"
#include "trainer/dist/nccl_communicator.h"

namespace sarsweep::trainer {

std::unique_ptr<Communicator> sum_by_nccl(Communicator& /*host*/) {
  throw Error(ErrorCode::invalid,
              "this build has no NCCL for several ranks on GPUs; build with script/build cuda",
              "device");
}

}  // namespace sarsweep::trainer
