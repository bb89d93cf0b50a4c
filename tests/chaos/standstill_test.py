"""SIGSTOP of the coordinator alone, for longer than every lease lasts: its workers train on, and none of them is taken
for dead when it goes on.

    SARSWEEP_STANDSTILLS=3 SARSWEEP_STANDSTILL=10 python3 tests/chaos/standstill_test.py
"""
import os
import pathlib
import signal
import tempfile
import time
import unittest

from audit import Audit
from fleet import Fleet, sweep_text
from home import until

COUNT = int(os.environ.get("SARSWEEP_STANDSTILLS", "1"))
LENGTH = float(os.environ.get("SARSWEEP_STANDSTILL", "7"))  # seconds
LEASES = {"lease": 2, "regrant": 3, "restart-grace": 15}  # seconds
STEP_MS = 150


class Standstill(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sarsweep-standstill-")
        self.addCleanup(folder.cleanup)
        self.fleet = Fleet(pathlib.Path(folder.name), step_ms=STEP_MS, options=LEASES).up()
        self.addCleanup(self.fleet.down)

    def is_training(self, sweep):
        training = [run for run in self.fleet.runs(sweep) or [] if run["state"] == "running" and run["step"] > 0]
        return len(training) == len(self.fleet.names)

    def stand_still(self, sweep):
        """While every worker trains a run of it."""
        until(lambda: self.is_training(sweep), 60, lambda: f"all workers train; now {self.fleet.states(sweep)}")
        self.fleet.coordinator.signal(signal.SIGSTOP)
        time.sleep(LENGTH)  # waits for nothing: this is what is tested
        self.fleet.coordinator.signal(signal.SIGCONT)

    def test_a_standstill_of_the_coordinator_costs_no_lease(self):
        self.assertGreater(LENGTH, 2 * LEASES["regrant"])
        for number in range(COUNT):
            sweep = f"still-{number}"
            self.fleet.submit(sweep_text(sweep, len(self.fleet.names), steps=int(2000 * LENGTH / STEP_MS)))
            self.stand_still(sweep)
            self.fleet.await_done(sweep)
        told = (self.fleet.logs / "coordinator.log").read_text()
        self.assertGreaterEqual(told.count("the coordinator stood still for"), COUNT, told)
        self.assertEqual(self.fleet.rows("SELECT detail FROM event WHERE detail LIKE '%fell silent%'"), [])
        attempts = self.fleet.attempts()
        self.assertEqual(len(attempts), COUNT * (len(self.fleet.names) + 1), [tuple(row) for row in attempts])
        Audit(self, self.fleet, "standstill").everything()
        print(f"summary: {COUNT} standstills of {LENGTH:g} s, leases of {LEASES['regrant']} s: none lost", flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
