"""Plants one mistake after another into a copy of the coordinator and lets the simulation look for it.

    mutants.py BUILD_FOLDER [SEEDS]
    mutants.py --check               only: every mistake still has its place in the source

Exits 0 if every mistake breaks a promise in some history, and the copy alone breaks none.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORE = "coordinator/core/"
STORE = "coordinator/store/"

# What it is, the file, what stands there (once), what takes its place.
MUTANTS = [
    ("a superseded epoch may write", CORE + "holding.cpp", "if (run->lease_epoch != attempt->epoch) {", "if (false) {"),
    ("a lost lease is taken back whatever came after", CORE + "holding.cpp", "lost && may_return(connection, holding)", "lost"),
    ("a lost lease outlives a person's resume", CORE + "holding.cpp", "  if (!before || !is_held(*before)) return false;\n", ""),
    ("an attempt that is over may write", CORE + "holding.cpp", "if (!killed) throw", "if (false) throw"),
    ("a lease is not renewed", CORE + "holding.cpp",
     "  core.leases.set(holding.run.id, core.after(core.options.regrant_after_s));\n  return holding;", "  return holding;"),
    ("a reclaimed attempt stays closed", CORE + "holding.cpp", "  AttemptStore(connection).reopen(holding.attempt);\n", ""),
    ("a concluded attempt stays open", CORE + "holding.cpp",
     "  AttemptStore(connection).close(holding.attempt, {ending.end, ending.reason, now});\n", ""),
    ("the end of a run moves no child", CORE + "holding.cpp",
     "hold_what_is_over(connection, now);\n  settle_families(connection, now);", "hold_what_is_over(connection, now);"),
    ("events are taken at any offset", CORE + "streams.cpp",
     "    if (offset != stored) return {false, stored};\n    ingest_events", "    ingest_events"),
    ("stored bytes of events are forgotten", CORE + "streams.cpp",
     "    AttemptStore(c).set_event_bytes(holding.attempt, after);\n", ""),
    ("a finish does not wait for the events", CORE + "streams.cpp", "attempt.event_bytes == request.event_bytes && ", ""),
    ("a finish does not wait for the artifacts", CORE + "streams.cpp",
     "if (!core.objects.has(digest)) artifacts.push_back(digest);\n  }\n  if (attempt.event_bytes", "}\n  if (attempt.event_bytes"),
    ("an exit is not recorded", CORE + "streams.cpp",
     "  AttemptStore(connection).record_exit(holding.attempt, exit.code, exit.signal);\n", ""),
    ("a cancelled run may end done", CORE + "ending.cpp",
     "Ending ending_of(RunState state, const Exit& exit, const Budget& budget) {\n  if (state == RunState::cancelling) {",
     "Ending ending_of(RunState state, const Exit& exit, const Budget& budget) {\n  if (false) {"),
    ("a cancelled run whose lease is lost is queued", CORE + "ending.cpp",
     "const std::string reason = \"the worker fell silent\";\n  if (state == RunState::cancelling) {",
     "const std::string reason = \"the worker fell silent\";\n  if (false) {"),
    ("held slots count as free", CORE + "worker_look.cpp", "return held.contains(slot.index);", "return held.contains(-1);"),
    ("a slot is given to two runs at once", CORE + "scheduler.cpp",
     "  free_.erase(std::remove_if(free_.begin(), free_.end(), taken), free_.end());\n", ""),
    ("a gang starts with fewer slots", CORE + "scheduler.cpp",
     "if (static_cast<std::int64_t>(assignment.slots.size()) < candidate.slots) return;",
     "if (assignment.slots.empty()) return;"),
    ("an epoch is granted twice", STORE + "run_store.cpp", "  run.lease_epoch += 1;\n",
     "  run.lease_epoch = std::max<std::int64_t>(run.lease_epoch, 1);\n"),
    ("leases never run out", CORE + "reaper.cpp", "if (!core.leases.expired(attempt.run, now)) continue;", "continue;"),
    ("leases run out at once", CORE + "reaper.cpp", "if (!core.leases.expired(attempt.run, now)) continue;", ""),
    ("its own absence counts as the workers' silence", CORE + "reaper.cpp", "    forgive_own_absence(core, open, now);\n", ""),
    ("a backoff never ends", CORE + "reaper.cpp", "if (!is_over(run, core.now_ms())) continue;", "continue;"),
    ("a child waits for ever", CORE + "families.cpp",
     "if (parent.state == RunState::done) return Verdict{RunState::queued};", ""),
    ("a child starts before its parent is done", CORE + "families.cpp",
     "if (parent.state == RunState::done) return Verdict{RunState::queued};",
     "if (parent.state == RunState::running) return Verdict{RunState::queued};"),
    ("a killed attempt stays open", CORE + "verbs.cpp",
     "    AttemptStore(connection).close(*attempt, {AttemptEnd::cancelled, \"killed\", move.now_ms});\n", ""),
    ("resume forgets the parent", CORE + "verbs.cpp", "return ready ? RunState::queued : RunState::waiting;",
     "return ready || true ? RunState::queued : RunState::waiting;"),
    ("a withdrawn run is over while it trains", CORE + "submit.cpp",
     "is_held(run.state) ? RunState::cancelling : RunState::cancelled;", "RunState::cancelled;"),
    ("a held sweep goes on", CORE + "leasing.cpp", "    if (held.contains(run.sweep)) return true;\n", ""),
    ("after a restart nobody watches the leases", CORE + "core.cpp",
     "for (const AttemptRow& attempt : AttemptStore(c).open()) leases.set(attempt.run, until);",
     "for (const AttemptRow& attempt : AttemptStore(c).open()) (void)attempt;"),
]


def run(*command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def copy_sources(to):
    names = run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").stdout.splitlines()
    for name in names:
        source, target = ROOT / name, to / name
        if source.is_file() and (not target.exists() or target.read_bytes() != source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)


def simulate(folder, seeds):
    """None if every promise is kept, else what the simulation says."""
    built = run("cmake", "--build", folder / "build", "--target", "simulation_test")
    if built.returncode != 0:
        sys.exit(f"the copy does not compile:\n{built.stdout[-3000:]}")
    environment = {"SARSWEEP_SEEDS": str(seeds), "PATH": "/usr/bin:/bin"}
    found = run(folder / "build/tests/simulation/simulation_test", "--gtest_filter=*EveryPromise*", env=environment)
    if found.returncode == 0:
        return None
    said = re.search(r"seed (\d+) \(.*?\): (.*)", found.stdout)
    return f"seed {said[1]}: {said[2]}" if said else found.stdout[-300:]


def check_places():
    for what, name, there, _ in MUTANTS:
        found = (ROOT / name).read_text().count(there)
        if found != 1:
            sys.exit(f"{what}: {name} has {found} times: {there!r}")


def main():
    check_places()
    if sys.argv[1] == "--check":
        return
    folder = pathlib.Path(sys.argv[1]).resolve()
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    copy_sources(folder / "source")
    configured = run("cmake", "-G", "Ninja", "-S", folder / "source", "-B", folder / "build", "-DCMAKE_BUILD_TYPE=Release")
    if configured.returncode != 0:
        sys.exit(configured.stdout[-3000:])
    alone = simulate(folder, seeds)
    if alone:
        sys.exit(f"without any mistake: {alone}")
    missed = []
    for what, name, there, instead in MUTANTS:
        file = folder / "source" / name
        text = file.read_text()
        file.write_text(text.replace(there, instead))
        said = simulate(folder, seeds)
        file.write_text(text)
        print(f"{what}: {said or 'NOT FOUND'}", flush=True)
        if not said:
            missed.append(what)
    print(f"{len(MUTANTS) - len(missed)} of {len(MUTANTS)} mistakes found in {seeds} histories each")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
