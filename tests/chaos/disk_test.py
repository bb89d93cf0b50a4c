"""Full disks, at every stage of the work: of the coordinator's home, of the store, of a worker's records. Nothing is
corrupted, nothing acknowledged is lost, nobody gives up, and all goes on when space returns.

    SARSWEEP_DISKS=200 SARSWEEP_SEED=1 python3 tests/chaos/disk_test.py        200 trials; default: one of each stage
"""
import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import unittest

from audit import Audit, outcome
from fleet import Fleet, Process, sweep_text
from home import BIN, until

TRIALS = int(os.environ.get("SARSWEEP_DISKS", "0"))
SEED = int(os.environ.get("SARSWEEP_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
INSIDE = "SARSWEEP_IN_NAMESPACE"
RUNS = 3
MEGABYTE = 1 << 20
SIZE = 24 * MEGABYTE
LEFT = [0, 4096, 65536, 300_000, MEGABYTE, 2 * MEGABYTE]  # bytes that the filler leaves free
PATIENCE = 6  # seconds that a disk stays full where nobody minds
STAGES = ["start", "submit", "lease", "events", "checkpoint", "upload", "finish", "whenever"]
# One trial a stage, each volume at least once, where not many are asked for.
FEW = [("home", "start", 0), ("home", "submit", 4096), ("worker", "lease", 0), ("home", "events", 65536),
       ("store", "checkpoint", 4096), ("store", "upload", 0), ("home", "finish", 0), ("store", "finish", 65536)]


def in_namespace():
    return ["unshare", "--map-root-user", "--mount"]


def can_mount():
    with tempfile.TemporaryDirectory() as folder:
        probe = [*in_namespace(), "mount", "-t", "tmpfs", "none", folder]
        try:
            return subprocess.run(probe, capture_output=True).returncode == 0
        except FileNotFoundError:
            return False


class Volume:
    """A small file system that can be filled up."""

    def __init__(self, path):
        self.path = path
        path.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", path], check=True)

    def free(self):
        space = os.statvfs(self.path)
        return space.f_bavail * space.f_frsize

    def fill(self, left):
        with open(self.path / "filler", "ab", buffering=0) as filler, contextlib.suppress(OSError):
            while self.free() > left:
                filler.write(bytes(min(MEGABYTE, max(4096, self.free() - left))))

    def empty(self):
        (self.path / "filler").unlink(missing_ok=True)

    def close(self):
        subprocess.run(["umount", "--lazy", self.path], check=True)


class Trial:
    """A fleet whose home, store and worker's home are volumes, one of which is full for a while."""

    def __init__(self, test, base, alone, volume, stage, left):
        self.test, self.alone, self.stage, self.left = test, alone, stage, left
        self.told = f"seed {SEED}: {volume} full at {stage} but for {left} bytes"
        self.volumes = {name: Volume(base / name) for name in ("home", "store", "worker")}
        self.volume = self.volumes[volume]
        for opened in self.volumes.values():
            test.addCleanup(opened.close)
        self.fleet = Fleet(base, workers=1, store=base / "store", worker_home=base / "worker")
        test.addCleanup(self.fleet.down)
        self.answers = collections.Counter()  # (request, status) while the disk was full
        self.filled = False

    def fill_at(self, stage):
        if self.stage == stage:
            self.volume.fill(self.left)
            self.filled = True

    def some(self, pattern):
        return any(self.fleet.store.glob(f"runs/*/e*/{pattern}"))

    def moment(self):
        """What to wait for before the disk is filled while the work goes on."""
        ends = {"checkpoint": lambda: self.some("checkpoints/step-*"), "upload": lambda: self.some("samples/*"),
                "finish": lambda: self.some("eval/result.json"), "events": lambda: self.some("events.jsonl")}
        instant = random.Random(self.told).randrange(1, 40)
        return ends.get(self.stage, lambda: len(list(self.fleet.store.glob("runs/*/e*/checkpoints/step-*"))) >= instant)

    def start(self):
        """With a full disk it may refuse to start, in words; later it starts."""
        self.fleet.launch_coordinator()
        until(lambda: self.fleet.is_ready() or not self.fleet.coordinator.alive(), 60, "it is ready or ended")
        if not self.fleet.is_ready():
            self.test.assertTrue(self.filled, f"{self.told}: {self.fleet.said('coordinator')}")
            self.test.assertNotIn(self.fleet.coordinator.child.returncode, (0, -6, -11), self.told)
            self.test.assertRegex(self.fleet.said("coordinator", 1), r"error: .*([Ff]ull|[Nn]o space)", self.told)
            self.answers["start", "refused"] += 1
            self.volume.empty()
            self.filled = False
        self.fleet.coordinator.stop()

    def ask(self, what, method, target, body=b"{}", allowed=(200, 507)):
        answer = self.fleet.api.ask(method, target, body)
        self.answers[what, answer.status] += 1
        self.test.assertIn(answer.status, allowed, f"{self.told}: {what}: {answer}")
        return answer

    def submit(self):
        """As often as it takes: the same key, one sweep."""
        key = ["Idempotency-Key: full"]
        body = {"text": sweep_text("full", RUNS)}

        def taken():
            answer = self.fleet.api.post("/api/v1/sweeps", body, key)
            self.answers["submit", answer.status] += 1
            self.test.assertIn(answer.status, (200, 507), f"{self.told}: {answer}")
            if answer.status == 507:
                self.volume.empty()
                self.filled = False
            return answer.status == 200
        until(taken, 30, f"{self.told}: the sweep is taken")

    def probe(self):
        """What people ask for while a disk is full: reading works, and what cannot be done says so."""
        self.ask("read", "GET", "/api/v1/sweeps", b"", (200,))
        self.ask("healthz", "GET", "/healthz", b"", (200,))
        self.ask("plan", "POST", "/api/v1/plan", {"text": sweep_text("other", 1)}, (200,))
        self.ask("backup", "POST", "/api/v1/backups")
        self.ask("gc", "POST", "/api/v1/gc", {"apply": True})
        for file in (self.fleet.folder / "backups").glob("*.db"):
            with contextlib.suppress(OSError):
                file.unlink()  # Or the backups themselves would fill the disk.

    def minded(self):
        """Somebody has met the full disk."""
        refused = any(status == 507 for _, status in self.answers) or self.answers["start", "refused"]
        said = self.fleet.said("w0", 400) if (self.fleet.logs / "w0.log").exists() else ""
        failed = any(attempt["end"] == "failed" for attempt in self.fleet.attempts())
        return refused or failed or "No space left" in said or "it is sent again later" in said

    def stay_full(self):
        self.probe()
        with contextlib.suppress(AssertionError):
            until(self.minded, PATIENCE, "somebody minds", every=0.1)
        self.probe()
        self.test.assertTrue(self.fleet.coordinator.alive(), f"{self.told}: {self.fleet.said('coordinator')}")

    def run(self):
        self.fill_at("start")
        self.start()
        self.fleet.start_coordinator()
        self.fill_at("submit")
        self.submit()
        self.fill_at("lease")
        self.fleet.start_worker("w0")
        if not self.filled and self.stage not in ("start", "submit"):
            until(lambda: self.moment()() or self.fleet.all_in("full", {"done"}), 60, f"{self.told}: the moment")
            self.fill_at(self.stage)
        if self.filled:
            self.stay_full()
        self.volume.empty()
        if not self.fleet.workers["w0"].alive():  # One that cannot even begin says so and ends.
            self.test.assertRegex(self.fleet.said("w0", 1), r"error: .*[Nn]o space", self.told)
            self.fleet.start_worker("w0")
        self.check()

    def check(self):
        self.fleet.await_done("full", timeout=240)
        self.test.assertNotIn("the coordinator failed", self.fleet.said("w0", 1000), f"{self.told}: answered 500")
        audit = Audit(self.test, self.fleet, self.told)
        audit.like("full", self.alone)
        audit.everything()
        self.ask("backup", "POST", "/api/v1/backups", allowed=(200,))


class Disk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f"seed {SEED}", flush=True)
        with tempfile.TemporaryDirectory(prefix="sarsweep-disk-") as folder:
            fleet = Fleet(folder).up()
            try:
                fleet.submit(sweep_text("alone", RUNS))
                fleet.await_done("alone")
                cls.alone = outcome(fleet, "alone")
            finally:
                fleet.down()

    def trials(self):
        chance = random.Random(SEED)
        if not TRIALS:
            return FEW
        return [(chance.choice(["home", "store", "worker"]), STAGES[number % len(STAGES)], chance.choice(LEFT))
                for number in range(TRIALS)]

    def test_a_full_disk_corrupts_nothing_and_all_goes_on_when_space_returns(self):
        minded = 0
        for number, (volume, stage, left) in enumerate(self.trials()):
            with self.subTest(volume=volume, stage=stage, left=left), contextlib.ExitStack() as stack:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sarsweep-disk-"))
                case = Cleanups(self, stack)
                trial = Trial(case, pathlib.Path(folder) / "site", self.alone, volume, stage, left)
                trial.run()
                minded += bool(trial.minded())
                print(f"{number}: {volume} full at {stage} but for {left} bytes: {dict(trial.answers)}", flush=True)
        print(f"summary: {len(self.trials())} full disks, {minded} of them met by somebody: nothing corrupt, nothing "
              "lost, all runs done", flush=True)


class Up(unittest.TestCase):
    def test_up_keeps_its_programs_running_on_a_full_disk(self):
        folder = tempfile.TemporaryDirectory(prefix="sarsweep-up-")
        self.addCleanup(folder.cleanup)
        base = pathlib.Path(folder.name)
        home = Volume(base / "home")
        self.addCleanup(home.close)
        ready = home.path / "ready.json"
        command = [BIN / "sarsweep", "up", "--home", home.path, "--port", 0, "--workers", 1, "--ready-file", ready]
        up = Process("up", command, base / "up.log").start()
        self.addCleanup(up.stop)
        until(lambda: ready.exists() or not up.alive(), 60, "up is ready")
        before = set(up.children())
        self.addCleanup(kill_all, before)  # Should up have died, they live on.
        home.fill(0)
        os.kill(json.loads(ready.read_text())["worker_pid"], signal.SIGKILL)
        until(lambda: set(up.children()) - before or not up.alive(), 30, "another worker is started")
        home.empty()
        until(lambda: not up.alive() or json.loads(ready.read_text())["worker_pid"] in up.children(), 30,
              "its pid is told")
        self.assertTrue(up.alive(), (base / "up.log").read_text())


def kill_all(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Cleanups:
    """A test's assertions with clean-ups that end with the trial."""

    def __init__(self, test, stack):
        self.test, self.stack = test, stack

    def addCleanup(self, call):  # noqa: N802
        self.stack.callback(call)

    def __getattr__(self, name):
        return getattr(self.test, name)


if __name__ == "__main__":
    if os.environ.get(INSIDE):
        unittest.main(verbosity=2)
    elif not can_mount():
        print("skipped: no file system can be mounted here (it takes root, or unprivileged user namespaces)")
    else:
        command = [*in_namespace(), sys.executable, "-u", __file__, *sys.argv[1:]]
        os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})
