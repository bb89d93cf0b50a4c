#include "schema/config/fields_page.h"

#include <gtest/gtest.h>

#include "schema/base/atomic_file.h"
#include "schema/config/fields.h"

namespace sarsweep::config {
namespace {

TEST(FieldsPage, TheCommittedPageIsCurrent) {
  EXPECT_EQ(read_file(SARSWEEP_SOURCE_DIR "/docs/fields.md"), fields_page())
      << "build the target fields_doc and commit docs/fields.md";
}

TEST(FieldsPage, EveryFieldHasOneRow) {
  const std::string page = fields_page();
  for (const Field& field : fields()) {
    const std::string start = "\n| `" + std::string(field.name) + "` |";
    const std::size_t first = page.find(start);
    EXPECT_NE(first, std::string::npos) << field.name;
    EXPECT_EQ(page.find(start, first + 1), std::string::npos) << field.name;
  }
}

}  // namespace
}  // namespace sarsweep::config
