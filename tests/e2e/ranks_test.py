"""A run of two slots: two processes under mpirun, paused, killed and resumed like any other.

    python3 tests/e2e/ranks_test.py
"""
import os
import pathlib
import shutil
import signal
import unittest

from home import Home, small_sweep, until, workshop

STEPS = 100
TWO_SLOTS = "resources: {gpus: 2, device: cpu}\n"


@unittest.skipUnless(shutil.which("mpirun") or "SARSWEEP_NO_SKIPS" in os.environ, "there is no mpirun on this machine")
class Ranks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = workshop()
        cls.base = cls.stack.__enter__()
        cls.addClassCleanup(cls.stack.__exit__, None, None, None)
        cls.home = Home(cls.base / "home", cls.base / "tiny", cls.base / "mini").up(workers=2)
        cls.addClassCleanup(lambda: cls.home.process and cls.home.down())
        cls.weights, cls.losses = cls.ended(cls.submitted("alone"))

    @classmethod
    def submitted(cls, name):
        cls.home.submit(name, small_sweep(cls.base, name, STEPS, TWO_SLOTS), "--rerun")
        return f"{name}/target"

    @classmethod
    def ended(cls, selector):
        run = cls.home.await_state(selector, {"done"}, timeout=400)
        until(lambda: not cls.home.trainers(), 15, "no trainer is left")
        return cls.home.final_weights(run["id"], STEPS), cls.home.series(selector)

    def ranks(self):
        """Pids of the ranks, by rank."""
        found = {}
        for pid in self.home.trainers():
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            for word in environment:
                if word.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(word.split(b"=")[1])] = pid
        return found

    def test_pause_and_resume_end_like_a_run_left_alone(self):
        selector = self.submitted("paused")
        self.home.await_step(selector, 10)
        self.assertEqual(sorted(self.ranks()), [0, 1])
        self.home.cli("pause", selector)
        run = self.home.await_state(selector, {"paused"}, timeout=60)
        self.assertTrue(list(self.home.folder.glob(f"store/runs/{run['id']}/e*/checkpoints/step-*/manifest.json")))
        until(lambda: not self.home.trainers(), 15, "no trainer holds the slots")
        self.home.cli("resume", selector)
        self.assertEqual(self.ended(selector), (self.weights, self.losses))

    def test_a_signal_to_every_process_at_once_lets_the_ranks_save(self):
        """As scancel sends it, to mpirun as well, which would end its ranks within a second."""
        selector = self.submitted("cancelled-job")
        self.home.await_step(selector, 12)
        ranks = self.ranks()
        launcher = [pid for pid in self.home.trainers() if pid not in ranks.values()]
        self.assertEqual(len(launcher), 1)
        for pid in [*launcher, *ranks.values()]:
            os.kill(pid, signal.SIGTERM)
        self.assertEqual(self.ended(selector), (self.weights, self.losses))
        attempts = self.home.document("show", selector)["attempts"]
        self.assertEqual([attempt["end"] for attempt in attempts], ["preempted", "succeeded"])
        self.assertGreaterEqual(attempts[1]["resume_step"], 12)

    def test_a_lost_rank_costs_an_attempt_and_nothing_else(self):
        left_behind = lambda: set(pathlib.Path("/dev/shm").glob("osc_sm*"))
        before = left_behind()
        for number in (signal.SIGKILL, signal.SIGSTOP):
            with self.subTest(number):
                selector = self.submitted(f"lost-{int(number)}")
                self.home.await_step(selector, 12)
                os.kill(self.ranks()[1], number)
                self.assertEqual(self.ended(selector), (self.weights, self.losses))
        self.assertEqual(left_behind() - before, set())


if __name__ == "__main__":
    unittest.main(verbosity=2)
