"""A newcomer's first hour: forty commands, many of them wrong. Every reply must say what happened and what to do next.

With SARSWEEP_UPDATE_GOLDEN=1 the transcript is written to docs/first-hour.md; without it, that file must show the same
commands with the same exit codes.
"""
import os
import re
import subprocess
import unittest

from home import BIN, Home, ROOT, workshop

TRANSCRIPT = ROOT / "docs" / "first-hour.md"
DONE, FAILED, USAGE, DIFFERS, MISSING, CONFLICT, AWAY, TIMEOUT = 0, 1, 2, 3, 5, 6, 7, 124

SWEEP = """version: 1
sweep: first
objective: {metric: eval/kl_pooled, goal: minimize}
report: [eval/kl_pooled, val/loss]
base:
  model.path: tiny
  data: {path: mini, resolution: 64, scale_column: scale, stretch: mean3sigma}
  unet: {mode: lora, rank: 4, lr: 1e-3}
  train: {steps: 6, global_batch: 2, micro_batch: 2}
  samples: {sampler: ddim, steps: 2}
  eval: {protocol: mini-v1, per_label: 2, steps: 2}
runs:
  heart-rose-2: {}
  whale-north-8: {unet.rank: 8}
"""
TOO_LARGE = """version: 1
sweep: second
base:
  model.path: tiny
  data: {path: mini, resolution: 64, scale_column: scale, stretch: mean3sigma}
  train: {steps: 100, global_batch: 4, micro_batch: 2}
resources: {gpus: 2}
runs:
  lake-mont-9: {}
"""


class Scene:
    """A heading, what the newcomer writes to a file before it, and the commands with what each reply must contain."""

    def __init__(self, heading, *steps, files=None):
        self.heading, self.steps, self.files = heading, steps, files or {}


SCENES = [
    Scene("Nothing runs yet",
          ("sarsweep", USAGE, ["subcommand", "--help"]),
          ("sarsweep --version", DONE, [r"\d"]),
          ("sarsweep runs", USAGE, ["runs", "--help"]),
          ("sarsweep ls", AWAY, ["does not answer", "sarsweep up"]),
          ("sarsweep plan missing.yaml", USAGE, ["missing.yaml"])),
    Scene("The coordinator is up (`sarsweep up`, in another terminal)",
          ("sarsweep ls", DONE, ["submit"]),
          ("sarsweep leaderboard first", MISSING, ["first"]),
          ("sarsweep ls nothing", MISSING, ["nothing"]),
          ("sarsweep explain unet.rnk", MISSING, ["unet.rank"]),
          ("sarsweep explain unet.rank", DONE, ["unet.rank", "default"])),
    Scene("A first file, with mistakes",
          ("sarsweep plan wrong.yaml", USAGE, [r"wrong.yaml:\d+:\d+", "lora", "steps"]),
          ("sarsweep submit wrong.yaml", USAGE, ["nothing submitted"]),
          ("sarsweep plan tabs.yaml", USAGE, [r"tabs.yaml:\d+", "tab|indent"]),
          files={"wrong.yaml": SWEEP.replace("mode: lora", "mode: lroa").replace("steps: 6", "stepps: 6"),
                 "tabs.yaml": "version: 1\nsweep: tabs\nbase:\n\tmodel.path: tiny\n"}),
    Scene("Put right",
          ("sarsweep plan first.yaml", DIFFERS, ["heart-rose-2", "2 new"]),
          ("sarsweep submit first.yaml", DONE, ["2 created", "undo: sarsweep cancel @first"]),
          ("sarsweep submit first.yaml", DONE, ["0 created", "2 kept"]),
          ("sarsweep wait @first --timeout 300", DONE, ["done"]),
          ("sarsweep ls @first", DONE, ["heart-rose-2", "done"]),
          ("sarsweep leaderboard first", DONE, ["heart-rose-2", "eval/kl_pooled"]),
          ("sarsweep leaderboard @first -o json", DONE, ['"rank"']),
          ("sarsweep show heart", DONE, ["heart-rose-2", "done"]),
          ("sarsweep why heart-rose-2", DONE, ["done"]),
          ("sarsweep metrics heart-rose-2 --key val/los", MISSING, ["val/loss"]),
          ("sarsweep metrics heart-rose-2 --key val/loss", DONE, ["val/loss"]),
          ("sarsweep logs heart-rose-2", DONE, ["sarsweep-trainer"]),
          files={"first.yaml": SWEEP}),
    Scene("Stopping and going on",
          ("sarsweep pause first/heart-rose-2", CONFLICT, ["done", "has ended"]),
          ("sarsweep submit second.yaml", DONE, ["1 created"]),
          ("sarsweep wait lake-mont-9 --timeout 0.1", TIMEOUT, ["lake-mont-9", "sarsweep why"]),
          ("sarsweep why lake-mont-9", DONE, ["2 slots|needs 2"]),
          ("sarsweep pause lake-mont-9", DONE, ["paused", "undo: sarsweep resume"]),
          ("sarsweep retry lake-mont-9", CONFLICT, ["possible: .*resume"]),
          ("sarsweep resume lake-mont-9", DONE, ["queued"]),
          ("sarsweep cancel lake-mont", DONE, ["cancel", "undo: sarsweep resume"]),
          ("sarsweep cancel", USAGE, ["runs", "--help"]),
          ("sarsweep kill no-such-run", MISSING, ["no-such-run"]),
          ("sarsweep retry @second --from-scratch", USAGE, ["-y"]),
          files={"second.yaml": TOO_LARGE}),
    Scene("A changed file",
          ("sarsweep submit first.yaml", USAGE, ["heart-rose-2", "another name", "nothing submitted"]),
          files={"first.yaml": SWEEP.replace("lr: 1e-3", "lr: 2e-3")}),
    Scene("Keeping it",
          ("sarsweep backup copy.db", DONE, ["copy.db"]),
          ("sarsweep backup copy.db", CONFLICT, ["copy.db", "another name"]),
          ("sarsweep restore copy.db -y", FAILED, ["another coordinator"]),
          ("sarsweep login", DONE, ["http"])),
]
INTRODUCTION = """Some forty commands of a newcomer, many of them wrong, and what sarsweep replied: written by `tests/e2e/first_hour_test.py`.
The folder holds a tiny model (`tiny`) and a few synthetic pictures (`mini`)."""
COMMANDS = [step for scene in SCENES for step in scene.steps]


def lasting(text, folder):
    """The reply without what differs from hour to hour."""
    for pattern, instead in ((re.escape(str(folder)) + "/home", "~/.sarsweep"), (re.escape(str(folder)), "~"),
                             (re.escape(str(BIN)) + "/?", ""), (r"127\.0\.0\.1:\d+", "127.0.0.1:8765"),
                             (r"#login=[\w-]+", "#login=…"), (r"\br[0-9a-f]{16}\b", "r0123456789abcdef"),
                             (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "2026-01-01T00:00:00Z"),
                             (r"\x1b\[[0-9;]*[A-Za-z]", ""), (r"(?m)[ \t]+$", "")):
        text = re.sub(pattern, instead, text)
    lines = text.strip("\n").split("\n")
    return "\n".join(lines if len(lines) <= 24 else [*lines[:20], f"… ({len(lines) - 20} more lines)"])


class FirstHour(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.base = self.enterContext(workshop())
        self.home = Home(self.base / "home", None, None)
        self.addCleanup(lambda: self.home.process and self.home.down())

    def type(self, command):
        words = command.split()
        return subprocess.run([BIN / words[0], *words[1:]], capture_output=True, text=True, cwd=self.base,
                              stdin=subprocess.DEVNULL, env={**os.environ, "SARSWEEP_HOME": str(self.home.folder)})

    def test_every_reply_says_what_happened_and_what_to_do_next(self):
        self.assertGreaterEqual(len(COMMANDS), 40)
        text, wrong = ["# The first hour", "", INTRODUCTION, ""], []
        for number, scene in enumerate(SCENES):
            if number == 1:
                self.home.up()
            for name, content in scene.files.items():
                (self.base / name).write_text(content)
            text += [f"## {scene.heading}", ""]
            for name, content in scene.files.items():
                text += [f"`{name}`:", "```yaml", content.rstrip("\n"), "```"]
            for command, code, expected in scene.steps:
                done = self.type(command)
                said = lasting(done.stdout + done.stderr, self.base)
                text += ["```text", f"$ {command}", *([said] if said else []), f"[exit {done.returncode}]", "```"]
                lacking = [e for e in expected if not re.search(e, done.stdout + done.stderr, re.IGNORECASE)]
                if done.returncode != code or lacking:
                    wrong.append(f"$ {command}\n{said}\n[exit {done.returncode}], expected {code}; lacking {lacking}")
            text.append("")
        print(f"{len(COMMANDS)} commands", flush=True)
        self.assertEqual(wrong, [], "\n\n".join(wrong))
        self.compare_with_docs("\n".join(text))

    def compare_with_docs(self, text):
        text = text.rstrip("\n") + "\n"
        if os.environ.get("SARSWEEP_UPDATE_GOLDEN"):
            TRANSCRIPT.write_text(text)
        outline = re.compile(r"^(\$ .*|\[exit \d+\])$", re.MULTILINE)
        self.assertEqual(outline.findall(text), outline.findall(TRANSCRIPT.read_text()),
                         "write docs/first-hour.md anew with SARSWEEP_UPDATE_GOLDEN=1")


if __name__ == "__main__":
    unittest.main(verbosity=2)
