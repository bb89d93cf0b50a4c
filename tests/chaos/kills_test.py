"""SIGKILL and SIGSTOP of coordinator, workers and trainers, one by one and all at once, in a random order: every run
ends as in a sweep that nothing disturbed, and what was acknowledged is there.

    SARSWEEP_KILLS=1000 SARSWEEP_LONGEST_STOP=60 SARSWEEP_SEED=1 python3 tests/chaos/kills_test.py
"""
import collections
import contextlib
import json
import math
import os
import pathlib
import random
import signal
import tempfile
import threading
import time
import unittest

from audit import Audit, outcome
from fleet import Fleet, sweep_text
from by_hand import Worker
from home import ENDED, until

KILLS = int(os.environ.get("SARSWEEP_KILLS", "20"))
LONGEST_STOP = float(os.environ.get("SARSWEEP_LONGEST_STOP", "3"))  # seconds
SEED = int(os.environ.get("SARSWEEP_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
RUNS = 14
FEW = 4  # runs left: who is left alone with the storm is killed until its budget is spent
TARGETS = ["coordinator", "worker", "trainer", "all"]


class Witness(threading.Thread):
    """A worker by hand that appends one point after the other, whatever becomes of the coordinator meanwhile, and holds
    it to every acknowledgement."""

    SWEEP = "witness"

    def __init__(self, fleet):
        super().__init__()
        fleet.submit(json.dumps({"version": 1, "sweep": self.SWEEP, "runs": {self.SWEEP: {}}, "base": {
            "model.path": "none", "data.path": "none", "resources.device": "cuda"}}))
        self.worker = Worker(fleet, self.SWEEP, device="cuda:0")
        self.worker.lease()
        self.enough = threading.Event()
        self.points, self.acknowledged, self.fault = {}, 0, None

    def run(self):
        while not self.enough.wait(0.01) and self.fault is None:
            self.append()

    def append(self):
        """True once the next point is acknowledged."""
        step = len(self.points) + 1
        line = json.dumps({"type": "metrics", "step": step, "values": {"x": step / 7}}).encode() + b"\n"
        try:
            answer = self.worker.data("POST", self.worker.data_target("events", offset=self.acknowledged), line)
        except OSError:
            return False  # It is away; the same again later.
        if not answer.whole():
            return False
        after = self.acknowledged + len(line)
        if answer.status in (200, 409) and answer.json().get("stored") == after:  # 409: an earlier reply was lost
            self.points[step], self.acknowledged = step / 7, after
            return True
        if answer.status not in (0, 503):
            self.fault = f"{self.acknowledged} bytes were acknowledged, and now: {answer}"
        return False

    def finish(self):
        self.enough.set()
        self.join()
        until(lambda: self.fault or self.append(), 60, "the last point is acknowledged, whose reply may have been lost")
        assert self.fault is None, self.fault
        self.worker.sent["events"] = self.acknowledged
        self.worker.say({"type": "end", "exit_code": 0})
        return self.worker.finish()["state"]


class Storm:
    """What happens to a fleet, at random."""

    def __init__(self, fleet, chance):
        self.fleet, self.chance = fleet, chance
        self.counts = collections.Counter()
        self.stopped = {}  # pid -> when it goes on

    def pids_of(self, target):
        workers = [worker.pid for worker in self.fleet.workers.values() if worker.alive()]
        coordinator = [self.fleet.coordinator.pid] if self.fleet.coordinator.alive() else []
        trainers = self.fleet.trainers()
        if target == "all":
            return coordinator + workers + trainers
        pids = {"coordinator": coordinator, "worker": workers, "trainer": trainers}[target]
        return [self.chance.choice(pids)] if pids else []

    def strike(self):
        """One kill or one stop of something that lives, if anything of the kind does."""
        target = self.chance.choices(TARGETS, [4, 4, 4, 1])[0]
        kills = target == "all" or self.chance.random() < 0.7
        pids = self.pids_of(target)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if kills else signal.SIGSTOP)
            if not kills:
                shortest = min(1, LONGEST_STOP / 10)
                length = math.exp(self.chance.uniform(math.log(shortest), math.log(LONGEST_STOP)))
                self.stopped.setdefault(pid, time.monotonic() + length)
        if pids:
            self.counts["kills" if kills else "stops"] += 1
            self.counts[f"{'kills' if kills else 'stops'} of {target}"] += 1

    def let_go(self, all_of_them=False):
        for pid, when in list(self.stopped.items()):
            if all_of_them or time.monotonic() >= when:
                del self.stopped[pid]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def pause(self):
        time.sleep(self.chance.uniform(0, 1.2))  # waits for nothing: it spreads the instants
        self.let_go()


class Kills(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sarsweep-kills-")
        cls.addClassCleanup(folder.cleanup)
        cls.base = pathlib.Path(folder.name)
        print(f"seed {SEED}, {KILLS} kills, stops of at most {LONGEST_STOP} s", flush=True)
        alone = Fleet(cls.base / "alone").up()
        cls.addClassCleanup(alone.down)
        alone.submit(sweep_text("alone", RUNS))
        alone.await_done("alone")
        cls.alone = outcome(alone, "alone")
        alone.down()

    def setUp(self):
        self.fleet = Fleet(self.base / "storm").up()
        self.addCleanup(self.fleet.down)
        self.audit = Audit(self, self.fleet, f"seed {SEED}")

    def settle(self, storm, sweep):
        """Nothing more happens; the sweep ends, and as it should."""
        until(lambda: storm.let_go() or not storm.stopped, LONGEST_STOP + 5, "all that was stopped goes on")
        self.fleet.restart_dead()
        self.fleet.await_done(sweep, timeout=600)
        self.audit.like(sweep, self.alone)
        print(f"{sweep}: {len(self.alone)} runs as if nothing had happened, after {storm.counts['kills']} kills",
              flush=True)

    def test_kills_and_stops_of_everything_cost_nothing(self):
        storm = Storm(self.fleet, random.Random(SEED))
        self.addCleanup(storm.let_go, all_of_them=True)
        witness = Witness(self.fleet)
        self.addCleanup(witness.enough.set)
        witness.start()
        sweeps = 0
        while storm.counts["kills"] < KILLS:
            sweep = f"storm-{sweeps}"
            self.fleet.submit(sweep_text(sweep, RUNS))
            while storm.counts["kills"] < KILLS and not self.is_nearly_over(storm, sweep):
                storm.strike()
                storm.pause()
                self.fleet.restart_dead()
            self.settle(storm, sweep)
            sweeps += 1
        self.assertEqual(witness.finish(), "done")
        stored = self.fleet.rows("SELECT m.step, m.value FROM metric m JOIN run r ON r.id = m.run WHERE r.name = ?",
                                 Witness.SWEEP)  # The API thins out a series of so many points.
        self.assertEqual(sorted(map(tuple, stored)), sorted(witness.points.items()))
        self.audit.everything(but=[Witness.SWEEP])
        told = ", ".join(f"{count} {what}" for what, count in sorted(storm.counts.items()) if " of " in what)
        print(f"summary: {storm.counts['kills']} kills, {storm.counts['stops']} stops ({told}); {sweeps} sweeps as if "
              f"nothing had happened, {len(witness.points)} acknowledged points there", flush=True)

    def is_nearly_over(self, storm, sweep):
        if self.fleet.coordinator.pid in storm.stopped:
            return False  # It would not answer.
        runs = self.fleet.runs(sweep)
        return bool(runs) and len([run for run in runs if run["state"] not in ENDED]) < FEW


if __name__ == "__main__":
    unittest.main(verbosity=2)
