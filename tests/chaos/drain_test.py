"""`sarsweep worker drain` and `undrain` at real processes, which are killed and started again meanwhile."""
import pathlib
import signal
import subprocess
import tempfile
import unittest

from audit import Audit
from fleet import Fleet, sweep_text
from home import BIN, until

STEP_MS = 100
PATIENT = {"lease": 20, "regrant": 30, "restart-grace": 30}  # no lease is to be lost, however busy the machine


class Drain(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sarsweep-drain-")
        self.addCleanup(folder.cleanup)
        self.fleet = Fleet(pathlib.Path(folder.name), workers=2, step_ms=STEP_MS, options=PATIENT).up()
        self.addCleanup(self.fleet.down)

    def cli(self, *words):
        """What is told; the command must succeed."""
        done = subprocess.run([BIN / "sarsweep", *words, "--home", self.fleet.folder, "--url", self.fleet.ready()["url"]],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def worker(self, name):
        """As the coordinator shows it, or None before it has registered."""
        return next((worker for worker in self.fleet.get("/api/v1/workers") if worker["name"] == name), None)

    def holder_of(self, name):
        worker = self.worker(name)
        return worker and worker["slots"][0]["run_id"]

    def all_busy(self):
        until(lambda: all(self.holder_of(name) for name in self.fleet.names), 60, "every worker has a run")

    def ends_on(self, worker):
        """How the attempts of a worker ended, oldest first."""
        return [row["end"] for row in self.fleet.rows(
            'SELECT a."end" FROM attempt a JOIN worker w ON w.id = a.worker WHERE w.name = ? ORDER BY a.granted_ms', worker)]

    def kill_and_start(self, process, start):
        process.signal(signal.SIGKILL)
        process.child.wait()
        start()

    def test_a_drained_worker_ends_what_it_has_and_rests_until_it_is_lifted(self):
        self.fleet.submit(sweep_text("calm", 6))
        self.all_busy()
        had = self.holder_of("w0")
        self.assertIn("undo: sarsweep worker undrain w0", self.cli("worker", "drain", "w0"))
        until(lambda: self.fleet.get(f"/api/v1/runs/{had}")["state"] == "done", 60, "what it has ends there")
        self.kill_and_start(self.fleet.coordinator, self.fleet.start_coordinator)
        self.kill_and_start(self.fleet.workers["w0"], lambda: self.fleet.start_worker("w0"))
        until(lambda: self.worker("w0")["state"] == "live", 60, "it is back")
        self.fleet.await_done("calm")
        self.assertEqual(self.ends_on("w0"), ["succeeded"])
        self.cli("worker", "drain", "w1")
        self.fleet.submit(sweep_text("later", 0))
        why = self.cli("why", "later/single")
        self.assertIn("drained it", why)
        self.assertIn("sarsweep worker undrain", why)
        self.assertIn("drained by admin", self.cli("worker", "ls"))
        self.cli("worker", "undrain", "--all")
        self.fleet.await_done("later")
        Audit(self, self.fleet, "drain").everything()

    def test_now_saves_and_goes_on_elsewhere(self):
        self.fleet.submit(sweep_text("moved", 2, every=1000))
        self.all_busy()
        had = self.holder_of("w0")
        until(lambda: self.fleet.get(f"/api/v1/runs/{had}")["step"] > 3, 60, "it has got somewhere")
        self.assertIn("to go on elsewhere", self.cli("worker", "drain", "w0", "--now"))
        self.fleet.await_done("moved")
        attempts = self.fleet.get(f"/api/v1/runs/{had}")["attempts"]
        self.assertEqual([(attempt["worker"], attempt["end"]) for attempt in attempts],
                         [("w0", "preempted"), ("w1", "succeeded")])
        self.assertGreater(attempts[1]["resume_step"], 3)
        self.assertEqual(self.ends_on("w0"), ["preempted"])
        Audit(self, self.fleet, "drain --now").everything()


if __name__ == "__main__":
    unittest.main(verbosity=2)
