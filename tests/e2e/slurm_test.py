"""Workers as jobs of a real Slurm on one machine: they appear, train a tiny sweep, lose one job to `scancel` and one
to its time limit; the runs go on in other jobs from their checkpoints.
"""
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest
import unittest.mock

from home import BIN, Home, small_sweep, until, workshop
from slurm_cluster import Cluster, why_not

STEPS = 60
# Of a job's two minutes the second is for saving.
ADD = ["slurm", "add", "--max-jobs", "2", "--time-limit", "2m", "--save-time", "1m", "--idle-timeout", "10s",
       "--workers", "1"]
SBATCH = ["-p", "gpu", "--gres", "gpu:1"]


@unittest.skipIf(why_not(), why_not())
class RealSlurm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sarsweep-slurm-")))
        cls.base = cls.enterClassContext(workshop())
        cls.cluster = cls.enterClassContext(Cluster(folder / "cluster"))
        cls.scratch = folder / "scratch"  # of the jobs
        cls.scratch.mkdir()
        environment = cls.cluster.environment | {"TMPDIR": str(cls.scratch)}
        cls.enterClassContext(unittest.mock.patch.dict(os.environ, environment))
        cls.home = Home(folder / "home", None, None)
        cls.home.start("serve", "--port", "0", "--data-port", "0", "--slurm-poll", "1", "--lease", "10")
        cls.addClassCleanup(cls.home.down)

    def pool(self):
        return self.home.document("slurm", "ls")[0]

    def job_of(self, selector):
        """The Slurm job whose worker holds this run, or None."""
        run = self.home.run(selector)
        found = [job["job_id"] for job in self.pool()["jobs"]
                 if job["state"] == "running" and run and job["worker"] == run["worker"]]
        return found[0] if run and run["state"] == "running" and found else None

    def log(self, job_id):
        """What the job's worker wrote by now."""
        return (self.home.folder / f"store/slurm/slurm-{job_id}.log").read_text()

    def attempts(self, selector):
        return self.home.document("show", selector)["attempts"]

    def freeze(self, selector):
        """Stops the run's trainer behind its first checkpoint, at step 10, however fast this machine is: its job."""
        run = self.home.await_step(selector, 12, timeout=400)
        pids = [pid for pid in self.home.trainers()
                if f"/runs/{run['id']}/" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()]
        self.assertTrue(pids, run)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        job = until(lambda: self.job_of(selector), 60, lambda: f"{run} trains in a job: {self.pool()}")
        return job, pids

    def check_whole(self, selector):
        """Every step's loss once, and each attempt from where the last one had saved."""
        steps = [step for step, _ in self.home.series(selector)]
        self.assertEqual(steps, list(range(1, STEPS + 1)))
        attempts = self.attempts(selector)
        print(selector, [(a["attempt"], a["worker"], a["end"], a["resume_step"]) for a in attempts], flush=True)
        self.assertGreater(len(attempts), 1)
        resumed = [attempt["resume_step"] for attempt in attempts]
        self.assertEqual(resumed, sorted(resumed))
        self.assertGreaterEqual(resumed[1], 10)
        self.assertEqual(attempts[-1]["end"], "succeeded")
        return attempts

    def test_1_runs_outlive_the_jobs_that_train_them(self):
        text = small_sweep(self.base, "two", STEPS) + "  other: {unet.rank: 2}\n"
        self.home.submit("two", text)
        added = subprocess.run([BIN / "sarsweep", *ADD, "--token-file", self.home.folder / "worker-token", "--home",
                                self.home.folder, "--", *SBATCH], capture_output=True, text=True)
        print(added.stderr, flush=True)
        self.assertEqual(added.returncode, 0, added.stderr)
        self.assertIn("undo: sarsweep slurm rm slurm", added.stderr)
        print(self.home.cli("slurm", "ls"), flush=True)

        limited, pids = self.freeze("two/other")
        cancelled, _ = self.freeze("two/target")
        self.assertNotEqual(limited, cancelled)
        self.check_secrets(cancelled)
        self.cluster.run("scancel", cancelled)  # Slurm itself lets go on what it asks to end.
        until(lambda: self.cluster.jobs().get(cancelled) == "CANCELLED", 60, self.cluster.jobs)

        until(lambda: "nearly over" in self.log(limited), 200, lambda: self.log(limited))
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        until(lambda: self.cluster.jobs().get(limited) not in ("RUNNING", "COMPLETING"), 180, self.cluster.jobs)
        self.assertEqual(self.cluster.jobs()[limited], "COMPLETED", "its worker left before Slurm took the node away")

        for selector in ("two/target", "two/other"):
            self.home.await_state(selector, {"done"}, timeout=900)
            print(self.home.cli("slurm", "ls"), flush=True)
        self.check_whole("two/target")
        ends = {attempt["end"] for attempt in self.check_whole("two/other")}
        self.assertLessEqual(ends, {"preempted", "succeeded"}, "a limit is no failure of a run")

    def check_secrets(self, job):
        """The worker's token stands in no script, environment of the job's record, or command line."""
        token = (self.home.folder / "worker-token").read_text().strip()
        script = self.cluster.run("scontrol", "write", "batch_script", job, "-")
        self.assertIn("exec ", script)
        told = script + self.cluster.run("scontrol", "show", "job", "--details", job)
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                told += entry.read_bytes().decode(errors="replace")
            except OSError:
                continue  # It ended meanwhile.
        self.assertIn("--slurm-token", told)
        self.assertNotIn(token, told)

    def test_2_idle_jobs_end_and_no_other_takes_their_place(self):
        until(lambda: not {"PENDING", "RUNNING", "COMPLETING"} & set(self.cluster.jobs().values()), 120,
              lambda: self.cluster.jobs())
        until(lambda: self.pool()["counts"]["running"] == 0, 60, self.pool)
        known = set(self.cluster.jobs())
        looks = [self.pool()["counts"] for _ in range(20)]
        self.assertEqual(set(self.cluster.jobs()), known, "nothing is queued, and a job was submitted")
        self.assertTrue(all(look["pending"] == look["submitting"] == 0 for look in looks))
        left = list(self.scratch.glob("tmp.*"))
        self.assertLessEqual(len(left), 1, f"jobs that were not killed leave no folder: {left}")

    def test_3_a_removed_pool_is_gone(self):
        self.home.cli("slurm", "rm", "slurm")
        until(lambda: self.home.document("slurm", "ls") == [], 60, self.pool)

    def test_4_what_sbatch_refuses_is_said_at_once(self):
        refused = subprocess.run([BIN / "sarsweep", *ADD, "--token-file", self.home.folder / "worker-token", "--home",
                                  self.home.folder, "--", "-p", "nowhere"], capture_output=True, text=True)
        print(refused.stderr, flush=True)
        self.assertEqual(refused.returncode, 6)
        self.assertIn("invalid partition specified: nowhere", refused.stderr)
        self.assertEqual(self.home.document("slurm", "ls"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
