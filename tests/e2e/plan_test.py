"""`sarsweep plan` as a person meets it: eight mistakes at once, hostile files, a file made from a W&B sweep."""
import json
import subprocess
import time
import unittest

from home import BIN, coordinator_of

MISTAKES = """version: 1
sweep: mistakes
objective: {metric: eval/kl_pooled, goal: minimise}
base:
  model.path: models/tiny
  data: {path: data/mini, resolution: 64}
  unet: {mode: ful, lr: fast}
  text_encoders: {rnak: 4}
  train: {steps: 10, global_batch: 0}
studies:
  one:
    runs:
      a: {unet.rank: -4}
      a: {}
  two:
    grid: {train.noise_offset: []}
  three:
    parent: b
    runs:
      c: {vae.mode: frozn}
"""


WANDB = """program: train_text_to_image_lora_sdxl.py
method: random
metric: {name: val_loss, goal: minimize}
parameters:
  pretrained_model_name_or_path: {value: models/tiny}
  train_data_dir: {value: data/mini}
  rank: {values: [4, 16]}
  max_train_steps: {value: 10}
  data.stretch: {value: none}
"""


class Plan(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = coordinator_of(cls)

    def plan(self, content, *arguments):
        file = self.home.folder / "plan.yaml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        start = time.monotonic()
        done = subprocess.run([BIN / "sarsweep", "plan", file, "--home", self.home.folder, *arguments],
                              capture_output=True, text=True)
        return done, time.monotonic() - start

    def test_eight_mistakes_are_eight_located_messages_with_proposals(self):
        done, _ = self.plan(MISTAKES)
        self.assertEqual(done.returncode, 2, done.stderr)
        errors = [line for line in (done.stdout + done.stderr).splitlines() if ": error: " in line]
        print(done.stdout + done.stderr, flush=True)
        self.assertGreaterEqual(len(errors), 8)
        for line in errors:
            self.assertRegex(line, r"plan\.yaml:\d+:\d+: error: ")
        self.assertIn("did you mean 'rank'?", done.stdout + done.stderr)
        self.assertIn("nothing submitted", done.stdout + done.stderr)
        done, _ = self.plan(MISTAKES, "-o", "json")
        found = [d for d in json.loads(done.stdout)["diagnostics"] if d["severity"] == "error"]
        self.assertEqual(len(found), len(errors))
        self.assertEqual(self.home.document("ls"), [])

    def test_a_wandb_sweep_becomes_a_file_that_plans(self):
        theirs = self.home.folder / "theirs.yaml"
        theirs.write_text(WANDB)
        command = [BIN / "sarsweep", "import", "wandb", theirs, "--home", self.home.folder]
        done = subprocess.run(command, capture_output=True, text=True)
        print(done.stdout + done.stderr, flush=True)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"theirs\.yaml:2:1: warning: .*all 2 combinations")
        planned, _ = self.plan(done.stdout)
        self.assertEqual(planned.returncode, 3, planned.stderr)
        self.assertIn("2 trainings", planned.stdout)
        document = json.loads(subprocess.run([*command, "-o", "json"], capture_output=True, text=True).stdout)
        self.assertEqual(document["text"], done.stdout)
        theirs.write_text("parameters: {rank: 4}\n")
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"theirs\.yaml:1:14: error: .*'rank'")

    def test_hostile_files_are_refused_at_once(self):
        bomb = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefghijklmnopqrstu", "bcdefghijklmnopqrstuv"))
        hostile = {
            "1 MB of garbage": bytes(33 + (i * 7919) % 90 for i in range(1_000_000)),
            "more than 1 MiB": b"a" * (1 << 20) + b"b",
            "not UTF-8": b"version: 1\nsweep: \xff\xfe\n",
            "10^6 brackets": b"[" * 1_000_000,
            "an alias bomb": bomb.encode(),
        }
        for name, content in hostile.items():
            done, seconds = self.plan(content)
            print(f"{name}: exit {done.returncode} in {seconds:.2f} s: {(done.stderr or done.stdout).strip().splitlines()[:1]}", flush=True)
            self.assertEqual(done.returncode, 2, name)
            self.assertLess(seconds, 10, name)  # Proves termination; the figure itself is printed.


if __name__ == "__main__":
    unittest.main(verbosity=2)
