"""A SAR CLIP trained from nothing on the miniature set ranks captions on its test split; one that sees nothing does not.

sar_clip_test.py TRAINER [TEST...]; SARSWEEP_FULL=1: the larger model, three seeds. Prints a line `summary: …`."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np
from safetensors.numpy import load_file, save_file

TRAINER = sys.argv[1]
FULL = os.environ.get("SARSWEEP_FULL") == "1"
SETUP = ({"preset": "clip-small", "size": 128, "per_label": 300, "steps": 300, "lr": 5e-4, "seeds": [1, 2, 3]} if FULL else
         {"preset": "clip-tiny", "size": 64, "per_label": 100, "steps": 150, "lr": 1e-3, "seeds": [1]})
LIMIT, CHANCE = 4.0, 8.5  # mean mid-rank among 16 captions


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")
    return done.stdout


class SarClip(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="sarsweep-sar-clip-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        run(TRAINER, "synthesize", "--out", cls.folder / "data", "--per-label", SETUP["per_label"], "--size", SETUP["size"],
            "--seed", 1)
        run(TRAINER, "init", "--preset", SETUP["preset"], "--out", cls.folder / "random", "--seed", 1)

    def judged(self, name, model, seed, steps):
        """The result document of a clip run."""
        run_dir = self.folder / name
        run_dir.mkdir()
        (run_dir / "run.json").write_text(json.dumps({
            "run_id": name, "name": name, "seed": seed, "device": "auto", "resume": [],
            "cache_dir": str(self.folder / "cache"),
            "protocol": {"split": "test", "per_label": 30, "caption_column": "text", "stretch": "mean3sigma",
                         "gray": "mean", "rank_pool": 16, "rank_ties": "mid"},
            "config": {"job": "clip", "model": {"path": str(model)},
                       "data": {"path": str(self.folder / "data"), "resolution": SETUP["size"], "stretch": "mean3sigma",
                                "scale_column": "scale"},
                       "clip": {"steps": steps, "batch": 100, "lr": SETUP["lr"]}, "train": {"warmup": 20}}}))
        run(TRAINER, "train", run_dir)
        events = [json.loads(line) for line in (run_dir / "events.jsonl").read_text().splitlines()]
        [told] = [event for event in events if event["type"] == "eval"]
        result = json.loads((run_dir / told["file"]).read_text())
        [rank] = [event["values"]["eval/clip_rank"] for event in events
                  if event["type"] == "metrics" and "eval/clip_rank" in event["values"]]
        self.assertEqual(rank, result["clip_rank"]["expected_mean"])
        self.assertEqual(result["clip_rank"]["pool"], 16)
        return result

    def test_training_brings_the_own_caption_to_the_front(self):
        for seed in SETUP["seeds"]:
            begun = time.monotonic()
            result = self.judged(f"trained-{seed}", self.folder / "random", seed, SETUP["steps"])
            rank = result["clip_rank"]["expected_mean"]
            print(f"summary: seed {seed}: mean mid-rank {rank:.3f} of 16 (n {result['n']}, tie share "
                  f"{result['clip_rank']['tie_share']:.3f}) after {SETUP['steps']} updates of 100 pairs, "
                  f"{time.monotonic() - begun:.0f} s", flush=True)
            self.assertLessEqual(rank, LIMIT)
            self.assertLess(result["clip_rank"]["strict_mean"], rank)

    def test_a_model_that_sees_nothing_ranks_by_chance(self):
        blind = self.folder / "blind-model"
        run(TRAINER, "convert", "--from", self.folder / "random", "--to", blind, "--format", "folder")
        weights = load_file(blind / "model.safetensors")
        # The last norms let nothing through but a constant, of which the projections take one number: equal to the bit.
        draw = np.random.default_rng(3)
        for norm, projection in (("text_model.final_layer_norm", "text_projection.weight"),
                                 ("vision_model.post_layernorm", "visual_projection.weight")):
            weights[norm + ".weight"][:] = 0
            weights[norm + ".bias"][:] = np.eye(1, weights[norm + ".bias"].size)[0]
            weights[projection][:, 1:] = 0
            weights[projection][:, 0] = draw.normal(size=len(weights[projection]))
        save_file(weights, blind / "model.safetensors", metadata={"format": "pt"})
        result = self.judged("blind", blind, 1, 0)
        self.assertAlmostEqual(result["clip_rank"]["tie_share"], 1, delta=1e-9)
        self.assertAlmostEqual(result["clip_rank"]["expected_mean"], CHANCE, delta=1e-9)
        self.assertAlmostEqual(result["clip_rank"]["strict_mean"], 1, delta=1e-9)

    def test_a_random_model_ranks_by_chance(self):
        result = self.judged("untrained", self.folder / "random", 1, 0)
        self.assertLess(abs(result["clip_rank"]["expected_mean"] - CHANCE), 2)


if __name__ == "__main__":
    unittest.main(argv=["sar_clip_test.py", *sys.argv[2:]])
