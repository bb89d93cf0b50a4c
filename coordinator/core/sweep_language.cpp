#include "coordinator/core/sweep_language.h"

#include <utility>

#include "coordinator/core/coordinator.h"

namespace sarsweep::coordinator {

SweepLanguage shipped_language() { return {&expand, &resolve_protocol}; }

Coordinator::Coordinator(CoordinatorOptions options, const Clock& clock, const SlurmOptions& slurm)
    : Coordinator(std::move(options), clock, shipped_language(), slurm) {}

}  // namespace sarsweep::coordinator
