"""Attempts of a run without a coordinator: the folders a worker grants, and a trainer in them that can be killed."""
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess

from home import BIN, until

STEPS = 12
EVERY = 2
# What may differ between two runs of one seed: the clock's share.
TIMED = {"train/images_per_s", "train/gpu_hours"}
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", "2"]

_FULL = {"unet": {"mode": "full", "lr": 1e-3}}
# The four ways of training whose checkpoints differ in kind.
CONFIGS = {
    "full": {**_FULL, "train": {"ema_decay": 0.9, "tail": "carry"}, "prompt": {"dropout": 0.2},
             "export": {"pipeline": "folder"}},
    "lora": {"unet": {"mode": "lora", "rank": 4, "lr": 1e-3},
             "text_encoder_1": {"mode": "lora", "rank": 2, "lr": 1e-3},
             "prompt": {"replace": {"A SAR image": "A <SAR> image"}},
             "token": {"text": "<SAR>", "train": True, "lr": 1e-2},
             "train": {"schedule": "cosine", "warmup": 3}},
    "decoder": {"unet": {"mode": "lora", "rank": 4, "lr": 1e-3},
                "vae": {"mode": "decoder", "lr": 1e-3, "late_share": 0.6},
                "export": {"pipeline": "single_file"}},
    "ranks": _FULL,
}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def step_name(step):
    return f"step-{step:08d}"


def document(base, name, cache):
    """The run.json of configuration `name`, to start at step 0."""
    config = {
        "job": "diffusion", "model": {"path": f"{base}/tiny"},
        "data": {"path": f"{base}/mini", "resolution": 64, "stretch": "mean3sigma", "scale_column": "scale"},
        "checkpoint": {"every": EVERY},
        "samples": {"prompts": ["A SAR image of a port"], "sampler": "ddim", "steps": 2, "every": 5},
        **CONFIGS[name]}
    config["train"] = {"steps": STEPS, "global_batch": 4, "micro_batch": 2, **config.get("train", {})}
    protocol = {"split": "test", "per_label": 1, "sampler": "ddim", "steps": 2, "cfg": 1.0, "seeds_per_image": 1,
                "stretch": "mean3sigma", "gray": "mean", "bits": 16, "bins": 256, "smoothing": "half",
                "saturation": 0.999}
    return {"run_id": name, "name": name, "seed": 3, "device": "cpu", "threads": 1, "cache_dir": str(cache),
            "resume": [], "protocol": protocol, "config": config}


class Attempt:
    """One grant: RUN_DIR, what the trainer wrote there, and the trainer while it runs."""

    def __init__(self, folder, run_json):
        self.folder, self.name = pathlib.Path(folder), run_json["run_id"]
        self.ranks = 2 if self.name == "ranks" else 1
        self.resume = run_json["resume"]
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "run.json").write_text(json.dumps(run_json))
        self.process = None

    def start(self):
        command = [BIN / "sarsweep-trainer", "train", self.folder]
        # Killed ranks leave their shared memory behind: here it goes with the test's folder.
        here = str(self.folder.parent)
        environment = {**os.environ, "TMPDIR": here, "OMPI_MCA_btl_vader_backing_directory": here,
                       "OMPI_MCA_osc_sm_backing_directory": here}
        with open(self.folder / "stderr.log", "ab") as log:
            self.process = subprocess.Popen(MPIRUN + command if self.ranks > 1 else command, env=environment,
                                            stdout=log, stderr=log, start_new_session=True)
        return self

    def wait(self):
        """How it ended by its own words; None if it died without."""
        self.process.wait(timeout=300)
        self.destroy()
        ends = self.events("end")
        return ends[-1]["exit_code"] if ends else None

    def text(self, name):
        """What a file holds by now, the tail that is not a whole line left out."""
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return ""
        return content[:content.rfind(b"\n") + 1].decode()

    def events(self, kind=None):
        events = [json.loads(line) for line in self.text("events.jsonl").splitlines()]
        return [event for event in events if kind in (None, event["type"])]

    def messages(self, kind):
        return [event["message"] for event in self.events(kind)]

    def pids(self):
        """rank -> pid of the processes at work in the folder; mpirun is rank -1."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if not entry.name.isdigit() or str(self.folder).encode() not in \
                        (entry / "cmdline").read_bytes().split(b"\0"):
                    continue
                words = (entry / "environ").read_bytes().split(b"\0")
                ranks = [int(word.split(b"=")[1]) for word in words if word.startswith(b"OMPI_COMM_WORLD_RANK=")]
                found[ranks[0] if ranks else -1] = int(entry.name)
        return found

    def kill(self, rank=None):
        """SIGKILL to that rank, or to all processes of the attempt."""
        pid = None if rank is None else self.pids().get(rank)
        if pid is None:
            return self.destroy()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        # The others notice by themselves, within 15 s (schema/protocol/run_dir.h) on a free machine.
        self.process.wait(timeout=40)

    def destroy(self):
        def gone():
            pids = self.pids().values()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        until(gone, 15, "no process of the attempt is left")

    def sealed(self):
        """The entries of `resume` for what this attempt has told of, newest first."""
        return [{"checkpoint": str(self.folder / event["path"]), "step": event["step"],
                 "manifest_sha256": event["manifest_sha256"]} for event in reversed(self.events("checkpoint"))]

    def points(self):
        """(key, step) -> value; none may be told twice."""
        points = {}
        for event in self.events("metrics"):
            for key, value in event["values"].items():
                if key in TIMED:
                    continue
                assert (key, event["step"]) not in points, f"{key} twice at step {event['step']}"
                points[key, event["step"]] = value
        return points


def next_resume(attempts):
    """`resume` as the coordinator makes it of all attempts so far: by step, then by attempt, newest first."""
    entries = [(entry["step"], number, entry) for number, attempt in enumerate(attempts)
               for entry in attempt.sealed()]
    return [entry for *_, entry in sorted(entries, key=lambda it: it[:2], reverse=True)]


def fault_of(folder):
    """Why a checkpoint's folder is not what its manifest says, or None."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    names = {file.name for file in folder.iterdir()} - {"manifest.json"}
    if names != set(manifest["files"]):
        return f"{folder} holds {sorted(names)}"
    for name, expected in manifest["files"].items():
        content = (folder / name).read_bytes()
        if (len(content), sha256(content)) != (expected["size"], expected["sha256"]):
            return f"{folder / name} is not what was sealed"
    return None


def tree(folder):
    """relative path -> content of every file below, folders being written left out."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*"))
            if file.is_file() and ".tmp" not in str(file.relative_to(folder))}


def checkpoint_content(folder):
    """A checkpoint's files without what is told of the clock."""
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "manifest.json"}
    state = json.loads(files["state.json"])
    del state["seconds"]
    return {**files, "state.json": state}
