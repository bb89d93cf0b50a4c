"""The n-th call of the kernel fails in each thread of the coordinator, n = 1, 2, … until the work is done without
meeting the fault: after each the store is whole, what was acknowledged is there, and the work can be completed. strace
injects the faults.

    SARSWEEP_EVERY=1 python3 tests/chaos/syscalls_test.py        every n; default: 1 in 15 (pwrite64) or 3
"""
import collections
import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

from errand import Errand
from fleet import Fleet, sweep_text
from by_hand import Api
from home import until

EVERY = int(os.environ.get("SARSWEEP_EVERY", "15"))
# What a store is written by. Reads and the library's own are not among them.
CALLS = ["fdatasync", "fsync", "pwrite64", "write", "ftruncate", "openat", "rename", "mkdir", "unlink"]
ERRORS = {"EIO": CALLS, "ENOSPC": ["fdatasync", "pwrite64", "write", "openat", "rename", "mkdir"]}
MOST = 5000  # calls of one kind in one thread


def can_inject():
    """strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=none", "true"]
    return subprocess.run(command, capture_output=True).returncode == 0


class Trial:
    """One coordinator whose n-th `call` fails, and the errand that is run all the same."""

    def __init__(self, test, folder, call, error, number):
        self.test, self.told = test, f"{call} {number}: {error}"
        self.fleet = Fleet(folder, workers=0, options={"lease": 60, "regrant": 60, "restart-grace": 60, "heartbeat": 5})
        self.trace = folder / "trace"
        self.ends = []  # (exit code, last words) of every coordinator that ended by itself
        self.prefix = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-o", self.trace, "-e", f"trace={call}",
                       "-e", f"inject={call}:error={error}:when={number}"]

    def start(self, prefix=()):
        self.fleet.launch_coordinator(prefix)
        until(lambda: self.fleet.is_ready() or not self.fleet.coordinator.alive(), 60, f"{self.told}: ready or ended")
        if not self.fleet.is_ready():
            return False
        self.fleet.ports = tuple(int(self.fleet.ready()[key].rsplit(":", 1)[1]) for key in ("url", "data_url"))
        return True

    def revive(self, status=0):
        """Where the coordinator has ended or is about to, another one is started, without faults."""
        if status in (0, 503):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.fleet.coordinator.child.wait(timeout=0.3)
        if self.fleet.coordinator.alive():
            return
        self.ends.append((self.fleet.coordinator.child.returncode, self.fleet.said("coordinator", 1)))
        assert self.start(), f"{self.told}: no second start: {self.fleet.said('coordinator')}"

    def run(self):
        if not self.start(self.prefix):
            self.revive()
        errand = Errand(lambda token: Api(self.fleet, token), self.revive)
        try:
            errand.run()
            errand.check(self.test, self.told)
            hits = self.hits()
        finally:
            self.fleet.down()
        self.check(errand, "\n".join(hits))
        return hits

    def hits(self):
        """The calls that failed, as strace writes them."""
        return [line for line in self.trace.read_text(errors="replace").splitlines() if "(INJECTED)" in line]

    def check(self, errand, hits):
        """`hits` are those of its work: what fails while it closes the database leaves the log to the next start."""
        about = f"{self.told}\n{hits}\n{errand.refusals}\n{self.ends}\n{self.fleet.said('coordinator')}"
        for file in [self.fleet.folder / "sarsweep.db", *errand.backups]:
            with contextlib.closing(sqlite3.connect(file)) as database:
                self.test.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)], about)
                self.test.assertEqual(database.execute("PRAGMA foreign_key_check").fetchall(), [], about)
        for code, words in self.ends:
            self.test.assertNotEqual(code, 0, about)
            self.test.assertRegex(words, "error", about)
        # Nobody goes on with a database whose writes the disk has refused.
        on_database = re.search(r"(fdatasync|pwrite64)\(\d+<[^>]*/sarsweep\.db(-wal)?>.*(EIO|fdatasync.*ENOSPC)", hits)
        if on_database:
            self.test.assertTrue(self.ends, f"it goes on after {about}")
        # A full disk is called that; only SQLite does not tell why it could not open a file.
        if "ENOSPC" in self.told and not self.ends and not re.search(r"openat.*\.db", hits):
            for what, status, body in errand.refusals:
                self.test.assertIn(status, (0, 503, 507), f"{what}: {about}")


@unittest.skipUnless(can_inject(), "strace may not trace here")
class Syscalls(unittest.TestCase):
    def sweep(self, call, error):
        """Every n until nothing is hit any more."""
        counts = collections.Counter()
        every = EVERY if call == "pwrite64" else max(1, EVERY // 4)  # It is called more often than all others together.
        for number in range(1 + hash_of(call, error) % every, MOST, every):
            with tempfile.TemporaryDirectory(prefix="sarsweep-syscalls-") as folder:
                trial = Trial(self, pathlib.Path(folder), call, error, number)
                hits = trial.run()
            if not hits:
                break
            counts["faults"] += 1
            counts["stops"] += bool(trial.ends)
        else:
            self.fail(f"{call} is called more than {MOST} times")
        print(f"{call} {error}: {counts}", flush=True)
        return counts

    def test_the_nth_call_fails(self):
        total = collections.Counter()
        for error, calls in ERRORS.items():
            for call in calls:
                total += self.sweep(call, error)
        self.assertGreater(total["faults"], 0)
        print(f"summary: {total['faults']} faults, {total['stops']} of them stopped the coordinator; the store was "
              "whole and the work completed after each", flush=True)


@unittest.skipUnless(can_inject(), "strace may not trace here")
class Record(unittest.TestCase):
    # Renames of the thread that starts a run: its record, run.json, the record again, and then with the trainer's pid.
    WITH_THE_PID = 4

    def test_a_trainer_whose_record_the_disk_refuses_does_not_live_on(self):
        with tempfile.TemporaryDirectory(prefix="sarsweep-record-") as folder:
            trace = pathlib.Path(folder) / "trace"
            strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", trace, "-e", "trace=/^rename",
                      "-e", f"inject=/^rename:error=ENOSPC:when={self.WITH_THE_PID}"]
            fleet = Fleet(folder, workers=1, step_ms=600_000, prefixes={"w0": strace}).up()
            try:
                fleet.submit(sweep_text("record", 0))
                until(lambda: [attempt["end"] for attempt in fleet.attempts()] == ["failed"], 60, "the attempt fails")
                self.assertIn("attempts/", trace.read_text())
                self.assertEqual(fleet.trainers(), [])
            finally:
                fleet.down()


def hash_of(*words):
    """Another beginning for each kind, the same every time."""
    return sum(map(ord, "".join(words)))


if __name__ == "__main__":
    if not can_inject():
        print("skipped: strace may not trace here")
        sys.exit(0)
    unittest.main(verbosity=2)
