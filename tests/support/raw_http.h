#pragma once

#include <string>

namespace sarsweep::testing {

// Sends bytes as they are to 127.0.0.1:port and reads until the peer closes (at most `timeout_s`).
// Empty: closed without a word.
std::string send_raw(int port, const std::string& bytes, double timeout_s = 10);

int status_of(const std::string& response);  // 0: no status line
std::string body_of(const std::string& response);
int count_of(const std::string& text, const std::string& part);

}  // namespace sarsweep::testing
