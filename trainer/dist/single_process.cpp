#include "trainer/dist/communicator.h"

namespace sarsweep::trainer {
namespace {

class SingleProcess final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  void broadcast(std::span<std::byte> /*bytes*/, int /*root*/) override {}
  void sum(std::span<float> /*values*/) override {}
  std::vector<std::string> gather(const std::string& bytes) override { return {bytes}; }
  std::int64_t max(std::int64_t value) override { return value; }
  void require_all() override {}
  void note_progress() override {}
  void begin_long_work() override {}
  void end_long_work() override {}
  std::optional<Departure> departure() const override { return std::nullopt; }
  int leave(const Farewell& farewell) override { return farewell.exit_code; }
};

}  // namespace

std::unique_ptr<Communicator> single_process() { return std::make_unique<SingleProcess>(); }

}  // namespace sarsweep::trainer
