#pragma once

#include <cstddef>
#include <functional>

namespace sarsweep::trainer {

// Calls work(0) … work(count - 1), each once, on up to `threads` threads (at least one, the
// caller's among them), and returns when all have ended. `work` writes to its own index only, so
// results do not depend on the number of threads. What the least index throws is thrown again;
// later indices may then not have been called.
void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace sarsweep::trainer
