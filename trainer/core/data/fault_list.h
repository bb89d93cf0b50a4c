#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "schema/base/error.h"

namespace sarsweep::trainer {

// Gathers what is wrong with the files of a set, so that a person mends them in one go.
class FaultList {
 public:
  // Runs `look`; an Error(invalid) or Error(not_found) it throws is kept, any other goes on.
  template <typename Look>
  void gather(Look&& look) {
    ++looked_;
    try {
      look();
    } catch (const Error& error) {
      keep(error);
    }
  }
  bool empty() const { return count_ == 0; }
  // Throws the fault where there is one; where there are several, one Error(invalid) that names
  // the first ten, with the field of the first.
  void throw_if_any() const;

 private:
  void keep(const Error& error);

  std::size_t looked_ = 0, count_ = 0;
  std::optional<Error> first_;
  std::vector<std::string> messages_;
};

}  // namespace sarsweep::trainer
