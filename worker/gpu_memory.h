#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

// The memory of this machine's GPUs, as it is now.
namespace sarsweep::worker {

struct GpuMemory {
  std::int64_t total = 0, used = 0;  // bytes; `used` by anybody
};

// By the number of a CUDA device, as in "cuda:0"; nullopt where it cannot be told.
using GpuLook = std::vector<std::optional<GpuMemory>>;

class GpuProbe {
 public:
  virtual ~GpuProbe() = default;
  // May take seconds. From one thread.
  virtual GpuLook look() = 0;
};

// Asks nvidia-smi, which comes with the driver. Its indices are CUDA's where CUDA_DEVICE_ORDER is
// PCI_BUS_ID.
class NvidiaSmi final : public GpuProbe {
 public:
  // `program` may be empty: then nothing can be told. `visible` is the text of
  // CUDA_VISIBLE_DEVICES, nullptr where it is not set; `gpus` the number of devices it leaves.
  NvidiaSmi(std::filesystem::path program, const char* visible, int gpus);
  GpuLook look() override;

 private:
  const std::filesystem::path program_;
  std::vector<std::string>
      names_;  // of each device: its index at nvidia-smi, or (part of) its UUID
};

// Of nvidia-smi's line "0, GPU-6a…, 81559, 1024" (index, UUID, MiB in all, MiB in use); nullopt for
// anything else.
struct GpuLine {
  std::string index, uuid;
  GpuMemory memory;
};
std::optional<GpuLine> parse_gpu_line(const std::string& line);

}  // namespace sarsweep::worker
