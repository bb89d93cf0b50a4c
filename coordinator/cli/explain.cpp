#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {

Exit explain(Session& session, const std::string& field) {
  client::Query query;
  if (!field.empty()) query.emplace_back("field", field);
  const nlohmann::json fields = get_document(session, "/api/v1/fields", query);
  if (session.as_document()) {
    session.print_document(fields);
    return Exit::ok;
  }
  Table table({{"FIELD"}, {"TYPE"}, {"DEFAULT"}, {"CLASS"}, {"CHOICES"}, {"HELP"}});
  for (const auto& item : fields) {
    std::string choices;
    for (const auto& choice : item.value("choices", nlohmann::json::array())) {
      choices += (choices.empty() ? "" : "|") + cell(choice);
    }
    const std::string help = cell(item, "help");
    const bool supported = item.value("supported", true);
    table.add({cell(item, "name"), cell(item, "type"), cell(item, "default"), cell(item, "class"),
               choices, supported ? help : help + " (not supported yet)"});
  }
  session.out() << table.text();
  return Exit::ok;
}

}  // namespace sarsweep::cli
