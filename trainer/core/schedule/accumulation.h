#pragma once

#include <cstdint>
#include <vector>

namespace sarsweep::trainer {

// What happens to the images of an epoch that do not fill a global batch.
enum class Tail {
  flush,  // a smaller update, divided by its own number of images
  carry,  // they begin the first update of the next epoch
  drop    // they are left out of this epoch
};

// The stream of a run's images is epoch after epoch: sample index = epoch * images + position in
// that epoch's permutation. An update takes the consecutive sample indices [begin, begin + size).
struct UpdateRange {
  std::int64_t begin = 0, size = 0;
};

// How updates take their images from the stream; a pure function of the update's index.
struct Accumulation {
  std::int64_t images = 0;        // of the training split, >= 1
  std::int64_t global_batch = 1;  // images of a full update
  Tail tail = Tail::flush;

  // Throws Error(invalid) where `drop` leaves nothing.
  UpdateRange update(std::int64_t index) const;
  // Updates of `epochs` passes; `carry` leaves out what is left at the very end.
  std::int64_t updates_of(std::int64_t epochs) const;
};

// The images of `update` that rank `rank` of `ranks` takes: consecutive ones, rank after rank, in
// shares that differ by at most one image; empty where there are fewer images than ranks.
UpdateRange share_of(const UpdateRange& update, std::int64_t rank, std::int64_t ranks);

// A micro batch after running out of memory `halvings` times, never below 1.
std::int64_t halved(std::int64_t micro_batch, int halvings);
// An update's images cut into passes of at most `micro_batch`; the last may be smaller.
std::vector<UpdateRange> micro_batches(const UpdateRange& update, std::int64_t micro_batch);

}  // namespace sarsweep::trainer
