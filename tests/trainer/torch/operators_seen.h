#pragma once

#include <ATen/record_function.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace sarsweep::tests {

// The operators that run on this thread while it lives, by name ("aten::item"). One at a time.
class OperatorsSeen {
 public:
  OperatorsSeen() : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(note))) {
    names_ = {};
  }
  ~OperatorsSeen() { at::removeCallback(handle_); }
  OperatorsSeen(const OperatorsSeen&) = delete;
  OperatorsSeen& operator=(const OperatorsSeen&) = delete;

  static std::vector<std::string> all() { return names_; }
  static long count(const std::string& name) {
    return std::count(names_.begin(), names_.end(), name);
  }

 private:
  static std::unique_ptr<at::ObserverContext> note(const at::RecordFunction& op) {
    names_.emplace_back(op.name());
    return nullptr;
  }
  static inline std::vector<std::string> names_;
  at::CallbackHandle handle_;
};

}  // namespace sarsweep::tests
