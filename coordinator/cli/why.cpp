#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {

Exit why(Session& session, const std::string& selector) {
  const std::string id = select_run(session, selector).at("id");
  const nlohmann::json document = get_document(session, "/api/v1/runs/" + id + "/why");
  if (session.as_document()) {
    session.print_document(document);
    return Exit::ok;
  }
  session.out() << cell(document, "sweep") << '/' << cell(document, "name") << " is "
                << cell(document, "state") << '\n';
  int number = 0;
  for (const nlohmann::json& reason : document.at("reasons")) {
    session.out() << ' ' << ++number << ". " << reason.value("message", "") << '\n';
    const std::string cure = reason.value("cure", "");
    if (!cure.empty()) session.out() << "    " << cure << '\n';
  }
  return Exit::ok;
}

}  // namespace sarsweep::cli
