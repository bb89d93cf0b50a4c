#include "trainer/core/metrics/in_parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "schema/base/guarded.h"

namespace sarsweep::trainer {
namespace {

struct Failure {
  std::size_t index = std::numeric_limits<std::size_t>::max();
  std::exception_ptr thrown;
};

}  // namespace

void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  Guarded<Failure> first;
  // Indices are taken in ascending order, so every one below a failed one is run as well.
  const auto serve = [&] {
    while (!failed) {
      const std::size_t index = next++;
      if (index >= count) return;
      try {
        work(index);
      } catch (...) {
        failed = true;
        first.with([&](Failure& failure) {
          if (index < failure.index) failure = {index, std::current_exception()};
        });
      }
    }
  };
  {
    std::vector<std::jthread> others;
    const auto most = std::min<std::size_t>(count, static_cast<std::size_t>(std::max(1, threads)));
    for (std::size_t i = 1; i < most; ++i) others.emplace_back(serve);
    serve();
  }
  first.with([](Failure& failure) {
    if (failure.thrown) std::rethrow_exception(std::exchange(failure.thrown, nullptr));
  });
}

}  // namespace sarsweep::trainer
