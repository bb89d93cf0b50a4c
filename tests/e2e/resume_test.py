"""Kills, cancels and resumes with the real trainer: the result must be that of a run left alone.

    SARSWEEP_KILLS=20 python3 tests/e2e/resume_test.py [-k NAME]
"""
import os
import random
import time
import unittest

from home import Home, small_sweep, until, workshop

KILLS = int(os.environ.get("SARSWEEP_KILLS", "3"))
SEED = int(os.environ.get("SARSWEEP_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
STEPS = 40


class Resume(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = workshop()
        cls.base = cls.stack.__enter__()
        cls.addClassCleanup(cls.stack.__exit__, None, None, None)
        cls.random = random.Random(SEED)
        print(f"seed {SEED}, {KILLS} kills of each process", flush=True)
        home = Home(cls.base / "alone", cls.base / "tiny", cls.base / "mini").up()
        cls.addClassCleanup(lambda: home.process and home.down())
        home.submit("alone", small_sweep(cls.base, "alone", STEPS))
        run = home.await_state("target", {"done"})
        cls.weights = home.final_weights(run["id"], STEPS)
        cls.losses = home.series("target")
        home.down()

    def setUp(self):
        name = self._testMethodName
        self.home = Home(self.base / name, self.base / "tiny", self.base / "mini").up()
        self.addCleanup(lambda: self.home.process and self.home.down())

    def check_like_alone(self, selector):
        run = self.home.await_state(selector, {"done"}, timeout=400)
        self.assertEqual(self.home.final_weights(run["id"], STEPS), self.weights, f"seed {SEED}: other weights")
        self.assertEqual(self.home.series(selector), self.losses, f"seed {SEED}: other losses")
        until(lambda: not self.home.trainers(), 15, "no trainer is left")
        return run

    def test_cancel_keeps_a_checkpoint_and_resume_ends_like_a_run_left_alone(self):
        self.home.submit("s", small_sweep(self.base, "s", STEPS))
        self.home.await_step("target", self.random.randrange(5, STEPS - 15))
        start = time.monotonic()
        self.home.cli("cancel", "target")
        run = self.home.await_state("target", {"cancelled"}, timeout=30)
        print(f"cancelled after {time.monotonic() - start:.1f} s at step {run['step']}", flush=True)
        self.assertLess(time.monotonic() - start, 10)
        self.assertTrue(list(self.home.folder.glob(f"store/runs/{run['id']}/e*/checkpoints/step-*/manifest.json")))
        self.home.cli("resume", "target")
        self.check_like_alone("target")

    def test_pause_releases_the_slot_and_resume_ends_like_a_run_left_alone(self):
        self.home.submit("s", small_sweep(self.base, "s", STEPS))
        self.home.await_step("target", 10)
        self.home.cli("pause", "target")
        self.home.await_state("target", {"paused"}, timeout=60)
        until(lambda: not self.home.trainers(), 15, "no trainer holds the slot")
        self.home.cli("resume", "target")
        self.check_like_alone("target")

    def kill_again_and_again(self, target):
        for trial in range(KILLS):
            name = f"{target}-{trial}"
            # --rerun: an equal finished run would answer in its place.
            self.home.submit(name, small_sweep(self.base, name, STEPS), "--rerun")
            selector = f"{name}/target"
            self.home.await_step(selector, self.random.randrange(0, STEPS - 10))
            killed = self.home.kill(target)
            print(f"killed {target} ({killed}) at {self.home.run(selector)}", flush=True)
            self.check_like_alone(selector)

    def test_a_killed_trainer_costs_nothing(self):
        self.kill_again_and_again("trainer")

    def test_a_killed_worker_costs_nothing(self):
        self.kill_again_and_again("worker")

    def test_a_killed_coordinator_costs_nothing(self):
        self.kill_again_and_again("coordinator")


if __name__ == "__main__":
    unittest.main(verbosity=2)
