// One rank of a job that asks every promise of communicator.h; `mpirun -n N ranks_probe` ends with
// 0 where they are kept, and says what is not.
//   ranks_probe                 all calls, with values known beforehand
//   ranks_probe fault RANK      RANK leaves with 78; the others must learn why
//   ranks_probe wait RANK FILE  all but RANK wait in a barrier; RANK writes its pid into FILE and
//                               computes until it is killed
//   ranks_probe hang RANK FILE  the same; a rank that gets no further is given up after 2 s
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "trainer/dist/communicator.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::trainer;

int faults = 0;

void expect(bool kept, const std::string& what) {
  if (kept) return;
  ++faults;
  std::cerr << "not kept: " << what << '\n';
}

// Numbers of very different size, so that the order of addition shows.
std::vector<float> numbers_of(int rank, std::size_t count) {
  std::vector<float> values(count);
  RandomStream(7, "probe", static_cast<std::uint64_t>(rank)).fill_normal(values.data(), count);
  for (std::size_t i = 0; i < count; ++i) values[i] *= std::pow(10.0F, static_cast<float>(i % 9));
  return values;
}

void probe_sum(Communicator& ranks, std::size_t count) {
  std::vector<float> values = numbers_of(ranks.rank(), count);
  ranks.sum(values);
  std::vector<float> expected = numbers_of(0, count);
  for (int rank = 1; rank < ranks.size(); ++rank) {
    const std::vector<float> more = numbers_of(rank, count);
    for (std::size_t i = 0; i < count; ++i) expected[i] += more[i];
  }
  expect(count == 0 || std::memcmp(values.data(), expected.data(), count * sizeof(float)) == 0,
         fmt::format("the sum of {} numbers in the order of ranks, to the last bit", count));
}

void probe_messages(Communicator& ranks) {
  std::vector<std::byte> bytes(3'000'000, static_cast<std::byte>(ranks.rank()));
  ranks.broadcast(bytes, ranks.size() - 1);
  expect(bytes.front() == static_cast<std::byte>(ranks.size() - 1) && bytes.front() == bytes.back(),
         "broadcast brings the root's bytes");
  // Rank 0 gives nothing, the others ever more.
  const auto words = [](int rank) {
    return std::string(static_cast<std::size_t>(rank) * 1000, static_cast<char>('a' + rank));
  };
  const std::vector<std::string> parts = ranks.gather(words(ranks.rank()));
  expect(parts.size() == static_cast<std::size_t>(ranks.size()), "gather brings a part a rank");
  for (int rank = 0; rank < ranks.size(); ++rank) {
    expect(parts.at(static_cast<std::size_t>(rank)) == words(rank), "gather keeps parts apart");
  }
  expect(ranks.max(-5 - ranks.rank()) == -5, "max of negative numbers");
  expect(ranks.any(ranks.rank() == ranks.size() - 1), "any of one");
  expect(!ranks.any(false), "any of none");
}

int probe_calls(Communicator& ranks) {
  for (const std::size_t count : {0UL, 1UL, 2UL, 5UL, 1000UL, 9'000'001UL}) probe_sum(ranks, count);
  for (int round = 0; round < 20; ++round) probe_messages(ranks);
  ranks.barrier();
  return ranks.leave({faults == 0 ? 0 : 1, true, "probed"});
}

int probe_fault(Communicator& ranks, int culprit) {
  if (ranks.rank() == culprit) return ranks.leave({78, false, "no such picture"});
  try {
    ranks.barrier();
    expect(false, "a barrier ends when a rank departs");
  } catch (const Error& error) {
    const auto departure = ranks.departure();
    expect(departure && departure->rank == culprit && departure->exit_code == 78 &&
               departure->reason.find("no such picture") != std::string::npos,
           "the others learn who left and why");
    if (ranks.first()) std::cout << error.what() << std::endl;
  }
  return ranks.leave({faults == 0 ? 0 : 1, false, "told"});
}

int probe_wait(Communicator& ranks, int busy, const std::string& file) {
  if (ranks.rank() == busy) {
    std::ofstream(file + ".part") << ::getpid() << std::endl;
    std::rename((file + ".part").c_str(), file.c_str());
    while (std::clock() != -2) {  // no call that a signal or MPI could end
    }
  }
  try {
    ranks.barrier();
  } catch (const Error& error) {
    std::cout << error.what() << std::endl;
  }
  return ranks.leave({75, false, "lost"});
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> words(argv, argv + argc);
  const bool hang = words.size() > 3 && words[1] == "hang";
  RosterLimits limits;
  if (hang) limits.hang = std::chrono::seconds(2);
  const auto ranks = join_ranks(limits);
  if (words.size() > 2 && words[1] == "fault") return probe_fault(*ranks, std::stoi(words[2]));
  if (hang || (words.size() > 3 && words[1] == "wait")) {
    return probe_wait(*ranks, std::stoi(words[2]), words[3]);
  }
  return probe_calls(*ranks);
} catch (const std::exception& error) {
  std::cerr << "ranks_probe: " << error.what() << '\n';
  return 1;
}
