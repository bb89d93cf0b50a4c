// Writes docs/fields.md: fields_doc FILE.
#include <exception>
#include <iostream>

#include "schema/base/atomic_file.h"
#include "schema/config/fields_page.h"

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::cerr << "usage: fields_doc FILE\n";
    return 2;
  }
  sarsweep::write_file_atomically(argv[1], sarsweep::config::fields_page());
  return 0;
} catch (const std::exception& error) {
  std::cerr << "fields_doc: " << error.what() << '\n';
  return 1;
}
