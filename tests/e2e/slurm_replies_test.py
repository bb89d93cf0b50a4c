"""Pools against an sbatch, squeue and scancel whose replies get lost, and a coordinator killed in between."""
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
import unittest.mock

from by_hand import Api
from home import BIN, Home, until
from slurm_stub import Stub

SWEEP = """version: 1
sweep: waiting
base: {model.path: none, data.path: none, train.steps: 4}
runs: {one: {}, other: {train.steps: 5}, third: {train.steps: 6}}
"""
# A coordinator in a hurry.
HURRY = ["--slurm-poll", "0.2", "--slurm-limit", "10", "--slurm-doubt", "2", "--slurm-vanish", "3", "--lease", "0.5"]
PATIENCE = 200  # seconds, on a machine that has much else to do


class LostReplies(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="sarsweep-stub-")))
        self.stub = Stub(folder / "bin")
        self.enterContext(unittest.mock.patch.dict(os.environ, {"PATH": f"{folder}/bin:{os.environ['PATH']}"}))
        self.home = Home(folder / "home", None, None)
        self.serve()
        self.addCleanup(lambda: self.home.process and self.home.down())

    def serve(self):
        self.home.start("serve", "--port", "0", "--data-port", "0", *HURRY)

    def sarsweep(self, *arguments):
        return subprocess.run([BIN / "sarsweep", *map(str, arguments)], capture_output=True, text=True,
                              cwd=self.home.folder, env=os.environ | {"SARSWEEP_HOME": str(self.home.folder)})

    def add(self, *options, jobs=1, sbatch=("-p", "gpu")):
        return self.sarsweep("slurm", "add", "--max-jobs", jobs, "--time-limit", "1h", "--token-file", "worker-token",
                             *options, "--", *sbatch)

    def begin(self, jobs=1, fault=("sbatch", "")):
        """Three runs that wait, a fault, and then a pool."""
        self.home.submit("waiting", SWEEP)
        self.stub.set_fault(*fault)
        added = self.add(jobs=jobs)
        self.assertEqual(added.returncode, 0, added.stderr)

    def pool(self):
        return self.home.document("slurm", "ls")[0]

    def jobs(self, *states):
        return [job for job in self.pool()["jobs"] if not states or job["state"] in states]

    def await_jobs(self, count, *states):
        return until(lambda: len(found := self.jobs(*states)) == count and found, PATIENCE,
                     lambda: f"{count} jobs {states}; {self.pool()}")

    def looks(self, more=5, seconds=0.0):
        """Lets the coordinator look again, so often and for so long."""
        before, begin = len(self.stub.calls("squeue")), time.monotonic()
        until(lambda: len(self.stub.calls("squeue")) >= before + more and time.monotonic() > begin + seconds, PATIENCE,
              "squeue is asked")

    def register(self, job, job_id=None, host="node"):
        """A worker of that job, by hand: the reply."""
        body = {"name": "slurm-1", "incarnation": f"{job_id}{host}", "host": host,
                "slots": [{"index": 0, "device": "cpu"}],
                "slurm_job": {"token": job["token"], "job_id": job_id or job["job_id"]}}
        answer = Api(self.home, "worker-token").post("/api/v1/workers/register", body)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def check_one_job_after(self, fault):
        self.begin(fault=("sbatch", fault))
        job, = self.await_jobs(1, "pending")
        self.assertEqual(job["job_id"], "1")
        self.looks()
        self.assertEqual(len(self.stub.calls("sbatch")), 1)
        self.assertEqual([name for _, _, name in self.stub.jobs()], [job["token"]])

    def test_an_error_after_the_job_was_queued_costs_no_second_job(self):
        self.check_one_job_after("times-out")

    def test_an_sbatch_that_hangs_costs_no_second_job(self):
        self.check_one_job_after("hangs")

    def test_a_reply_that_makes_no_sense_costs_no_second_job(self):
        self.check_one_job_after("babbles")

    def test_the_name_is_on_disk_before_sbatch_is_asked(self):
        self.begin(fault=("sbatch", "hangs"))
        until(self.stub.jobs, PATIENCE, "sbatch has queued the job and not said so")
        self.home.process.kill()
        self.home.down()
        self.stub.set_fault("sbatch")
        self.serve()
        job, = self.await_jobs(1, "pending")
        self.assertEqual([job["job_id"], job["token"]], ["1", self.stub.jobs()[0][2]])
        self.looks()
        self.assertEqual(len(self.stub.calls("sbatch")), 1)

    def test_a_job_that_was_given_up_and_turns_up_is_cancelled(self):
        self.begin(fault=("sbatch", "refuses"))
        lost, = self.await_jobs(1, "lost")
        self.assertIn("Unable to contact slurm controller", lost["reason"])
        self.stub.write([["77", "PENDING", lost["token"]]])
        until(lambda: self.stub.jobs()[0][1] == "CANCELLED", PATIENCE, self.pool)

    def test_of_two_jobs_with_one_name_the_first_to_register_stays(self):
        self.begin(fault=("sbatch", "doubles"))
        job, = self.await_jobs(1, "pending")
        ids = {job_id for job_id, _, _ in self.stub.jobs()}
        self.assertEqual(len(ids), 2)
        other, = ids - {job["job_id"]}
        until(lambda: [other, "CANCELLED", job["token"]] in self.stub.jobs(), PATIENCE, self.stub.jobs)
        # The cancel came too late: both run.
        self.stub.set_state(other, "RUNNING")
        self.assertNotIn("dismissed", self.register(job))
        self.assertIn("has its place", self.register(job, other, "elsewhere")["dismissed"])

    def test_the_worker_of_a_job_nobody_wants_ends_with_code_0(self):
        self.begin()
        job, = self.await_jobs(1, "pending")
        self.register(job)
        command = [BIN / "sarsweep-worker", "--url", self.home.ready()["url"], "--home", self.home.folder / "w",
                   "--token-file", self.home.folder / "worker-token", "--slurm-token", job["token"],
                   "--time-left", "1h"]
        worker = subprocess.run(command, env=os.environ | {"SLURM_JOB_ID": "99"}, capture_output=True, text=True,
                                timeout=60)
        print(worker.stderr, flush=True)
        self.assertEqual(worker.returncode, 0)
        self.assertIn("has its place", worker.stderr)
        self.assertFalse((self.home.folder / "w").exists(), "its folder goes with it")

    def test_without_a_look_nothing_is_submitted_and_nothing_has_ended(self):
        self.begin(jobs=3, fault=("squeue", "fails"))
        self.await_jobs(3, "pending")  # There was nothing to look for yet.
        self.register(self.jobs()[0])
        for fault in ("fails", "babbles"):
            self.stub.set_fault("squeue", fault)
            self.looks(seconds=7)  # twice what a job may be out of sight
            self.assertEqual(len(self.jobs("pending", "running")), 3)
            self.assertEqual(len(self.stub.calls("sbatch")), 3)
            told = self.sarsweep("slurm", "ls")
            self.assertIn("Slurm does not answer: squeue", told.stderr.replace("slurm_load_jobs", "squeue"))

    def test_what_squeue_forgets_ends_after_a_while(self):
        self.begin()
        self.await_jobs(1, "pending")
        self.stub.set_fault("squeue", "forgets")
        ended, = self.await_jobs(1, "ended")
        self.assertEqual(ended["reason"], "Slurm no longer knows it")

    def test_a_job_that_fails_is_followed_by_another_only_later(self):
        self.begin()
        job, = self.await_jobs(1, "pending")
        self.stub.set_state(job["job_id"], "FAILED")
        ended, = self.await_jobs(1, "ended")
        self.assertEqual(ended["reason"], "FAILED")
        self.assertTrue(ended["log"].endswith(f"/store/slurm/slurm-{job['job_id']}.log"))
        self.assertEqual(len(self.stub.calls("sbatch")), 1, "half a minute has to pass")

    def test_a_removed_pool_cancels_what_waits_and_lets_go_what_runs(self):
        self.begin(jobs=2)
        first, second = self.await_jobs(2, "pending")
        self.stub.set_state(first["job_id"], "RUNNING")
        self.register(first)
        removed = self.sarsweep("slurm", "rm", "slurm")
        self.assertIn("undo: sarsweep slurm add --name slurm --max-jobs 2", removed.stderr)
        self.assertTrue(removed.stderr.rstrip().endswith("-- -p gpu"), removed.stderr)
        until(lambda: len(self.stub.calls("scancel")) >= 2, PATIENCE, self.pool)
        calls = set(self.stub.calls("scancel"))
        self.assertLessEqual({f"scancel {second['job_id']}", f"scancel --signal=TERM --batch {first['job_id']}"}, calls)
        self.stub.set_state(first["job_id"], "COMPLETED")
        until(lambda: self.home.document("slurm", "ls") == [], PATIENCE, "the pool is gone")
        self.assertEqual(len(self.stub.calls("sbatch")), 2)

    def test_a_pool_out_of_a_backup_waits_to_be_resumed(self):
        self.begin()
        self.await_jobs(1, "pending")
        copy = self.home.folder / "copy.db"
        self.home.cli("backup", copy)
        self.home.down()
        self.assertEqual(self.sarsweep("restore", copy, "-y").returncode, 0)
        self.serve()
        self.assertEqual([self.pool()["state"], self.pool()["reason"]], ["paused", "it was restored from a backup"])
        why = self.home.cli("why", "waiting/one")
        self.assertIn("the Slurm pool slurm is paused: it was restored from a backup", why)
        self.assertIn("sarsweep slurm resume slurm", why)

    def test_wrong_words_are_answered_with_the_cure(self):
        for options, sbatch, code, words in [
                (["--time-limit", "4hours"], [], 2, "--time-limit '4hours' is no duration; write 4h, 90m or 1d12h"),
                (["--time-limit", "30s"], [], 2, "Slurm counts in minutes"),
                (["--time-limit", "1h", "--save-time", "2h"], [], 2, "--save-time 2h takes all of --time-limit 1h"),
                (["--time-limit", "1h"], ["job.sh"], 2, "'job.sh' is no option of sbatch"),
                (["--time-limit", "1h"], ["--array=1-3"], 2, "--array is not for pools"),
                (["--time-limit", "1h", "--name", "a/b"], [], 2, "'a/b' is no name of a pool"),
                (["--time-limit", "1h", "--max-jobs", "0"], [], 2, "not in range")]:
            jobs = [] if "--max-jobs" in options else ["--max-jobs", "1"]
            refused = self.sarsweep("slurm", "add", *jobs, "--token-file", "worker-token", *options, "--", *sbatch)
            self.assertEqual(refused.returncode, code, refused.stderr)
            self.assertIn(words, refused.stderr)
        missing = self.sarsweep("slurm", "pause", "gpu")
        self.assertEqual(missing.returncode, 5)
        self.assertIn("no Slurm pool 'gpu'; there is none; sarsweep slurm add makes one", missing.stderr)
        self.assertEqual(self.add().returncode, 0)
        again = self.add()
        self.assertEqual(again.returncode, 6)
        self.assertIn("there is a pool 'slurm' already", again.stderr)
        self.assertIn("there are: slurm", self.sarsweep("slurm", "rm", "gpu").stderr)
        self.assertEqual(self.home.document("slurm", "ls")[0]["sbatch"], ["-p", "gpu"])

    def test_a_coordinator_without_slurm_says_so(self):
        self.home.down()
        with unittest.mock.patch.dict(os.environ, {"PATH": str(self.home.folder)}):
            self.serve()
        refused = self.add()
        self.assertEqual(refused.returncode, 6)
        self.assertIn("there is no sbatch on the PATH of the coordinator", refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
