"""A coordinator and workers as processes of their own, with a trainer that trains nothing: to kill, to stop, to starve.
"""
import contextlib
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from by_hand import Api  # noqa: E402
from home import BIN, until  # noqa: E402

STAND_IN = pathlib.Path(os.environ.get("SARSWEEP_STAND_IN", BIN.parent / "tests/chaos/stand_in_trainer"))
# Seconds: a lease is lost and granted again while one waits for it.
QUICK = {"heartbeat": 0.2, "lease": 1, "regrant": 1.5, "restart-grace": 2}
STEPS = 30


def sweep_text(name, runs, steps=STEPS, every=5, **base):
    """`runs` runs and a child of the first, each with weights of its own; of 0, a single run."""
    cells = {f"r{i:02}": {"unet.lr": (i + 1) * 1e-4} for i in range(runs)}
    cells |= {"child": {"parent": "r00", "unet.lr": 1e-5}} if runs else {"single": {}}
    return json.dumps({"version": 1, "sweep": name, "runs": cells, "base": {
        "model.path": "none", "data.path": "none", "train.steps": steps, "checkpoint.every": every} | base})


def state_of(pid):
    """The letter of /proc, or None where there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


class Process:
    """A program that is started again and again, what it says in one file."""

    def __init__(self, name, command, log, prefix=(), environment=None):
        self.name, self.command, self.log, self.prefix = name, command, log, list(prefix)
        self.environment = {**os.environ, **(environment or {})}
        self.child = None

    def start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen([*self.prefix, *map(str, self.command)], stdout=log, stderr=log,
                                          env=self.environment, start_new_session=True)
        return self

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def children(self):
        try:
            return [int(pid) for pid in pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except OSError:
            return []

    def signal(self, number):
        """To the program itself: strace would let go of it and leave."""
        if not self.alive():
            return
        for pid in self.children() if self.prefix[:1] == ["strace"] else [self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self):
        """As a person would; killed where that takes too long."""
        if not self.alive():
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.child.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.child.kill()
            self.child.wait()


class Fleet:
    """One coordinator and its workers; `folder` is the coordinator's home, so that by_hand.Api finds its tokens."""

    def __init__(self, folder, workers=3, step_ms=10, store=None, worker_home=None, options=None, prefixes=None):
        base = pathlib.Path(folder)
        self.folder = base / "home"
        self.store = pathlib.Path(store or self.folder / "store")
        self.worker_home = pathlib.Path(worker_home or base / "workers")
        for made in (base, self.worker_home):
            made.mkdir(parents=True, exist_ok=True)
        self.logs, self.step_ms, self.prefixes = base, step_ms, prefixes or {}
        self.options = QUICK | (options or {})
        self.ports = None
        self.coordinator = None
        self.workers = {}
        self.names = [f"w{i}" for i in range(workers)]

    # ---- processes ----
    def up(self):
        self.start_coordinator()
        for name in self.names:
            self.start_worker(name)
        return self

    def ready(self):
        return json.loads((self.logs / "ready.json").read_text())

    def launch_coordinator(self, prefix=()):
        """Starts it without waiting; the same ports every time, for its workers know them."""
        (self.logs / "ready.json").unlink(missing_ok=True)
        control, data = self.ports or (0, 0)
        command = [BIN / "sarsweep-coordinator", "--home", self.folder, "--store", self.store, "--port", control,
                   "--data-port", data, "--ready-file", self.logs / "ready.json"]
        for name, value in self.options.items():
            command += [f"--{name}", value]
        self.coordinator = Process("coordinator", command, self.logs / "coordinator.log", prefix).start()

    def is_ready(self):
        return (self.logs / "ready.json").exists()

    def start_coordinator(self):
        self.launch_coordinator()
        until(lambda: self.is_ready() or not self.coordinator.alive(), 60, "the coordinator is ready")
        assert self.coordinator.alive(), self.said("coordinator")
        if self.ports is None:
            self.ports = tuple(int(self.ready()[key].rsplit(":", 1)[1]) for key in ("url", "data_url"))
        self.api = Api(self)

    def start_worker(self, name):
        if name not in self.workers:
            command = [BIN / "sarsweep-worker", "--url", f"http://127.0.0.1:{self.ports[0]}", "--token-file",
                       self.folder / "worker-token", "--home", self.worker_home, "--name", name, "--trainer", STAND_IN,
                       "--workers", 1]
            self.workers[name] = Process(name, command, self.logs / f"{name}.log", self.prefixes.get(name, ()),
                                         {"SARSWEEP_STAND_IN_MS": str(self.step_ms)})
        self.workers[name].start()

    def restart_dead(self):
        if not self.coordinator.alive():
            self.start_coordinator()
        for name, worker in self.workers.items():
            if not worker.alive():
                self.start_worker(name)

    def trainers(self, run_dir=""):
        """Pids of the trainers at work for this site; beneath one run directory, if that is named."""
        found, mark = [], str(run_dir or self.store).encode()
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit():
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    if words[0] == str(STAND_IN).encode() and words[2].startswith(mark) and state_of(entry.name) != "Z":
                        found.append(int(entry.name))
        return found

    def down(self):
        for process in [*self.workers.values(), self.coordinator]:
            if process is not None:
                process.stop()
        for pid in self.trainers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def said(self, name, lines=15):
        return "\n".join((self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    # ---- the API ----
    def get(self, target):
        """A document, or None while the coordinator is away."""
        try:
            answer = self.api.get(target)
        except OSError:
            return None
        return answer.json() if answer.status == 200 else None

    def submit(self, text):
        answer = self.api.post("/api/v1/sweeps", {"text": text, "rerun": True})
        assert answer.status == 200, answer
        return answer.json()

    def runs(self, sweep):
        return self.get(f"/api/v1/runs?sweep={sweep}")

    def all_in(self, sweep, states):
        runs = self.runs(sweep)
        for run in runs or []:
            assert run["state"] != "failed", f"{run['name']} failed: {run['reason']}"
        return bool(runs) and all(run["state"] in states for run in runs)

    def await_done(self, sweep, timeout=180):
        until(lambda: self.all_in(sweep, {"done"}), timeout, lambda: f"{sweep} is done; now {self.states(sweep)}",
              every=0.1)

    def states(self, sweep):
        return {run["name"]: (run["state"], run["reason"]) for run in self.runs(sweep) or []}

    # ---- the store ----
    def rows(self, sql, *values):
        """What the database holds at its last commit."""
        uri = f"file:{self.folder}/sarsweep.db?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=20)) as database:
            database.row_factory = sqlite3.Row
            return database.execute(sql, values).fetchall()

    def attempts(self):
        return self.rows('SELECT r.uid, r.name, r.id AS run, a.epoch, a."end", a.event_bytes, a.log_bytes'
                         " FROM attempt a JOIN run r ON r.id = a.run ORDER BY r.id, a.epoch")

    def run_dir(self, uid, epoch):
        return self.store / "runs" / uid / f"e{epoch}"
