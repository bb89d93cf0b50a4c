#include <fmt/format.h>

#include <iostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/diagnostics.h"
#include "coordinator/cli/sweep_file.h"
#include "coordinator/cli/table.h"
#include "schema/base/digest.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

constexpr int kSubmitTries = 4;

SweepSource source_of(const SubmitOptions& options) {
  SweepSource source = read_sweep_file(options.file, options.set);
  source.rerun = options.rerun;
  source.prune = options.prune;
  return source;
}

// The plan, with its remarks already told.
json ask_for_plan(Session& session, SweepSource& source) {
  return client::value_or_throw(post_with_files(source, [&](const SweepSource& posted) {
    return session.api().post("/api/v1/plan", posted);
  }));
}

bool tell_remarks(Session& session, const json& document) {
  const auto diagnostics = diagnostics_of(document);
  for (const Diagnostic& diagnostic : diagnostics)
    session.err() << render(diagnostic, session.color());
  if (!diagnostics.empty()) session.err() << closing_line(diagnostics);
  return has_errors(diagnostics);
}

std::string counts_line(const json& counts) {
  const auto n = [&](const char* key) { return counts.value(key, 0L); };
  return fmt::format("{} cells, {} rows, {} trainings: {} new, {} kept, {} cached, {} withdrawn\n",
                     n("cells"), n("rows"), n("trainings"), n("new"), n("kept"), n("cached"),
                     n("withdrawn"));
}

void print_plan(Session& session, const json& document) {
  Table table(
      {{"NAME"}, {"STUDY"}, {"LABEL"}, {"SEED", Table::Align::right}, {"ACTION"}, {"PARENT"}});
  for (const json& run : document.at("runs")) {
    const std::string alias = cell(run, "alias_of");
    table.add({cell(run, "name"), cell(run, "study"), cell(run, "label"), cell(run, "seed"),
               alias == "-" ? cell(run, "action") : "alias of " + alias, cell(run, "parent")});
  }
  session.out() << table.text() << counts_line(document.at("counts"));
}

// A submit may be repeated under one key: a lost reply cannot make the sweep twice.
client::Result<json> post_submit(Session& session, const SweepSource& source,
                                 const std::string& key) {
  for (int attempt = 1;; ++attempt) {
    auto reply = session.api().post("/api/v1/sweeps", source, {{"Idempotency-Key", key}});
    const bool away = !reply && reply.error().code == ErrorCode::unreachable;
    if (!away || attempt == kSubmitTries || !session.pause_for(0.3 * attempt)) return reply;
  }
}

bool may_withdraw(Session& session, const json& names) {
  for (const json& name : names) session.err() << "withdraws " << name.get<std::string>() << '\n';
  return session.confirm(
      fmt::format("{} runs left the file and would be withdrawn.", names.size()));
}

void tell_submitted(Session& session, const json& reply) {
  const std::string sweep = cell(reply, "sweep");
  session.err() << fmt::format("{}: {} created, {} kept, {} cached, {} withdrawn\n", sweep,
                               cell(reply, "created"), cell(reply, "kept"), cell(reply, "cached"),
                               cell(reply, "withdrawn"));
  if (reply.value("created", 0L) > 0) session.err() << "undo: sarsweep cancel @" << sweep << '\n';
  session.out() << sweep << "  " << cell(reply, "url") << '\n';
}

}  // namespace

Exit plan(Session& session, const SubmitOptions& options) {
  SweepSource source = source_of(options);
  const json document = ask_for_plan(session, source);
  if (session.as_document()) session.print_document(document);
  const auto diagnostics = diagnostics_of(document);
  const bool errors = has_errors(diagnostics);
  if (!session.as_document()) {
    tell_remarks(session, document);
    if (!errors) print_plan(session, document);
  }
  if (errors) return Exit::usage;
  const json& counts = document.at("counts");
  const bool changes = counts.value("new", 0L) + counts.value("withdrawn", 0L) > 0;
  return changes ? Exit::changes : Exit::ok;
}

Exit submit(Session& session, const SubmitOptions& options) {
  SweepSource source = source_of(options);
  const auto send = [&] {
    return post_with_files(source, [&, key = random_hex(16)](const SweepSource& posted) {
      return post_submit(session, posted, key);
    });
  };
  auto reply = send();
  if (!reply && reply.error().body.contains("withdraws")) {
    if (!may_withdraw(session, reply.error().body.at("withdraws"))) return Exit::failed;
    source.withdraw = true;
    reply = send();
  }
  if (!reply) {
    const json& body = reply.error().body;
    if (!tell_remarks(session, body)) throw Error(reply.error().code, reply.error().message);
    if (session.as_document()) session.print_document({{"diagnostics", body.at("diagnostics")}});
    return Exit::usage;
  }
  tell_remarks(session, *reply);
  if (session.as_document()) {
    session.print_document(*reply);
  } else {
    tell_submitted(session, *reply);
  }
  return Exit::ok;
}

}  // namespace sarsweep::cli
