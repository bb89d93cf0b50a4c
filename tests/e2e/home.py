"""A real sarsweep on this machine for tests: `sarsweep up` in a folder of its own, and the means to kill it."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SARSWEEP_BIN", ROOT / "build/trainer/bin"))
HELD = {"leased", "running", "pausing", "cancelling"}
ENDED = {"done", "failed", "cancelled"}


def until(condition, timeout, what, every=0.02):
    """The first truthy value of condition(); AssertionError after `timeout` seconds. `what` may be a function."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(every)


def trainer(*arguments):
    subprocess.run([BIN / "sarsweep-trainer", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, text=True)


def coordinator_of(tests):
    """A Home with a coordinator and no worker, for the tests of a class and then gone."""
    folder = tempfile.TemporaryDirectory(prefix="sarsweep-e2e-")
    tests.addClassCleanup(folder.cleanup)
    home = Home(pathlib.Path(folder.name) / "home", None, None).up(workers=0)
    tests.addClassCleanup(home.down)
    return home


class Home:
    def __init__(self, folder, model, data):
        self.folder, self.model, self.data = pathlib.Path(folder), model, data
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ready_file = self.folder / "ready.json"
        self.process = None
        self.printed = None  # a file for what it prints, apart from its log

    def up(self, workers=1):
        return self.start("up", "--port", "0", "--workers", str(workers))

    def start(self, *command):
        """`sarsweep` with a command that serves, once it does; what it prints and what it logs go into up.log."""
        self.ready_file.unlink(missing_ok=True)
        self.log = open(self.folder / "up.log", "ab")
        self.process = subprocess.Popen([BIN / "sarsweep", *command, "--home", self.folder, "--ready-file", self.ready_file],
                                        stdout=self.printed or self.log, stderr=self.log)
        until(lambda: self.ready_file.exists() or self.process.poll() is not None, 60, f"sarsweep {command[0]} is ready")
        assert self.process.poll() is None, (self.folder / "up.log").read_text()
        return self

    def ready(self):
        return json.loads(self.ready_file.read_text())

    def login_address(self):
        lines = (self.folder / "up.log").read_text().split()
        return [word for word in lines if "#login=" in word][-1]

    def down(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=200)
        self.log.close()
        self.process = None

    def cli(self, *arguments, code=0):
        """stdout of a command, which must end with `code` (None: any)."""
        done = subprocess.run([BIN / "sarsweep", *map(str, arguments), "--home", self.folder],
                              capture_output=True, text=True, cwd=self.folder)
        assert code is None or done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def document(self, *arguments):
        return json.loads(self.cli(*arguments, "-o", "json"))

    def submit(self, name, text, *options):
        file = self.folder / f"{name}.yaml"
        file.write_text(text)
        return self.document("submit", file, *options)

    def run(self, selector):
        """The run's row, or None while the coordinator is away."""
        try:
            return self.document("ls", selector)[0]
        except (AssertionError, json.JSONDecodeError, IndexError):
            return None

    def await_state(self, selector, states, timeout=180):
        def reached():
            run = self.run(selector)
            assert run is None or run["state"] in states or run["state"] not in ENDED, f"{selector}: {run}"
            return run if run and run["state"] in states else None
        return until(reached, timeout, lambda: f"{selector} is one of {states}; now {self.run(selector)}")

    def await_step(self, selector, step, timeout=180):
        def reached():
            run = self.run(selector)
            return run if run and ((run["step"] or 0) >= step or run["state"] in ENDED) else None
        return until(reached, timeout, lambda: f"{selector} at step {step}; now {self.run(selector)}")

    def trainers(self):
        """Pids of the trainer processes of this home."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and str(self.folder).encode() in (entry / "cmdline").read_bytes() \
                        and b"sarsweep-trainer" in (entry / "cmdline").read_bytes() \
                        and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(int(entry.name))
        return found

    def kill(self, target):
        """SIGKILL to trainer, worker or coordinator; False if there was none to kill."""
        if target == "trainer":
            pids = self.trainers()
        else:
            pids = [self.ready()[f"{target}_pid"]]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, TypeError):
                os.kill(pid, signal.SIGKILL)
        return bool(pids)

    def final_weights(self, run_id, step):
        name = f"step-{step:08d}"
        files = sorted(self.folder.glob(f"store/runs/{run_id}/e*/checkpoints/{name}/weights.safetensors"))
        assert files, f"no final checkpoint of {run_id}"
        return files[-1].read_bytes()

    def series(self, selector, key="train/loss"):
        return [(step, value) for step, value, _ in self.document("metrics", selector, "--key", key)[key]]


@contextlib.contextmanager
def workshop(per_label=12):
    """A folder with a tiny random SDXL and a few synthetic pictures, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="sarsweep-e2e-") as folder:
        base = pathlib.Path(folder)
        trainer("init", "--preset", "tiny", "--seed", 1, "--out", base / "tiny")
        trainer("synthesize", "--per-label", per_label, "--size", 64, "--seed", 1, "--out", base / "mini")
        yield base


def small_sweep(base, name, steps=60, extra=""):
    return f"""version: 1
sweep: {name}
report: [eval/kl_pooled, val/loss]
base:
  model.path: {base}/tiny
  data: {{path: {base}/mini, resolution: 64, scale_column: scale, stretch: mean3sigma}}
  unet: {{mode: lora, rank: 4, lr: 1e-3}}
  text_encoders: {{mode: lora, rank: 4}}
  train: {{steps: {steps}, global_batch: 4, micro_batch: 2}}
  checkpoint: {{every: 10}}
  samples: {{prompts: ["A SAR image of a port"], sampler: ddim, steps: 2}}
  eval: {{protocol: mini-v1, per_label: 2, steps: 2}}
runs:
  target: {{}}
{extra}"""
