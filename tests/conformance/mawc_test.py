"""Mean absolute weight change against numpy: `sarsweep-trainer mawc` on folders, LoRA files and checkpoints.

mawc_test.py TRAINER [TEST...]; exits 0 if every number agrees to 1e-9 relative."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from safetensors.numpy import load_file, save_file

TRAINER = sys.argv[1]
PARTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model",
         "text_encoder_2": "model"}
RANK, ALPHA = 4, 6.0


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")
    return done


def weights_of(model):
    return {(part, name): value for part, stem in PARTS.items()
            for name, value in load_file(model / part / f"{stem}.safetensors").items()}


def block_of(part, name):
    words = name.split(".")
    if words[0] in ("text_model", "vision_model"):
        return ".".join(words[2:4]) if words[1] == "encoder" else words[1]
    if words[0] in ("encoder", "decoder"):
        return words[0] + "." + block_of(part, ".".join(words[1:]))
    if words[0] == "mid_block":
        return "mid." + ".".join(words[1:3])
    if words[0].endswith("_blocks"):
        return words[0].removesuffix("_blocks") + "." + ".".join(words[1:4])
    return words[0]


def expected(base, change):
    """The table of `change` (by part and name; nothing: zero) over `base`."""
    blocks = {}
    for (part, name), value in base.items():
        delta = np.abs(change.get((part, name), np.zeros(1))) + np.zeros(value.shape)
        blocks.setdefault((part, block_of(part, name)), []).append((delta, np.abs(value.astype(np.float64))))
    rows = {}
    for key, tensors in blocks.items():
        all_of = [np.concatenate([t[i].ravel() for t in tensors]) for i in (0, 1)]
        rows[key] = {"tensors": len(tensors), "parameters": all_of[0].size,
                     "mean": np.mean([delta.mean() for delta, _ in tensors]), "weighted_mean": all_of[0].mean(),
                     "share": (all_of[0] > 5e-4).mean(), "relative": all_of[0].sum() / all_of[1].sum()}
    return rows


class Mawc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="sarsweep-mawc-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.base = cls.folder / "base"
        run(TRAINER, "init", "--preset", "tiny", "--out", cls.base, "--seed", 1)
        cls.weights = weights_of(cls.base)

    def measure(self, base, tuned):
        return json.loads(run(TRAINER, "mawc", "--base", base, "--tuned", tuned, "-o", "json").stdout)

    def compare(self, document, rows):
        self.assertEqual({(row["part"], row["block"]) for row in document["blocks"]}, set(rows))
        for row in document["blocks"]:
            for key, value in rows[row["part"], row["block"]].items():
                self.assertAlmostEqual(row[key], value, delta=1e-9 * abs(value) + 1e-15, msg=f"{row} {key}")

    def changed(self, name, edit):
        """A copy of the base with every tensor of the parts through `edit(part, name, value)`."""
        target = self.folder / name
        shutil.copytree(self.base, target)
        for part, stem in PARTS.items():
            file = target / part / f"{stem}.safetensors"
            save_file({key: edit(part, key, value) for key, value in load_file(file).items()}, file,
                      metadata={"format": "pt"})
        return target

    def test_a_constant_added_is_the_mean_of_every_block(self):
        step = np.float32(2.0 ** -9)  # exact in these weights' neighbourhood but for rounding
        tuned = self.changed("constant", lambda part, name, value: value + step)
        document = self.measure(self.base, tuned)
        self.assertGreater(len(document["blocks"]), 60)
        for row in document["blocks"]:
            self.assertAlmostEqual(row["mean"], step, delta=1e-7, msg=str(row))
            self.assertAlmostEqual(row["weighted_mean"], step, delta=1e-7, msg=str(row))
            self.assertEqual(row["share"], 1, row)
        self.assertEqual(document["warnings"], [])

    def test_nothing_trained_is_zero(self):
        document = self.measure(self.base, self.base)
        for row in document["blocks"]:
            self.assertEqual([row[key] for key in ("mean", "weighted_mean", "share", "relative")][:3], [0, 0, 0])
        self.assertEqual(sum(row["parameters"] for row in document["blocks"]),
                         sum(value.size for value in self.weights.values()))
        first = [row["block"] for row in document["blocks"] if row["part"] == "unet"]
        self.assertEqual(first[0], "conv_in")
        self.assertLess(first.index("down.1.attentions.0"), first.index("mid.attentions.0"))
        self.assertLess(first.index("mid.resnets.1"), first.index("up.0.resnets.0"))

    def test_random_changes_are_numpys(self):
        draw = np.random.default_rng(4)
        steps = {key: (draw.normal(size=value.shape) * 5e-4).astype(np.float32) for key, value in self.weights.items()}
        tuned = self.changed("random", lambda part, name, value: value + steps[part, name])
        after = weights_of(tuned)
        change = {key: after[key].astype(np.float64) - value.astype(np.float64) for key, value in self.weights.items()}
        document = self.measure(self.base, tuned)
        self.compare(document, expected(self.weights, change))
        text = run(TRAINER, "mawc", "--base", self.base, "--tuned", tuned).stdout
        self.assertEqual(text.count("\n"), 1 + len(document["blocks"]) + len(document["parts"]))

    def adapters(self):
        draw = np.random.default_rng(5)
        linear = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
        conv = "down_blocks.0.resnets.0.conv1"
        text = "text_model.encoder.layers.1.self_attn.v_proj"
        factors = {}
        for part, module in (("unet", linear), ("unet", conv), ("text_encoder", text), ("text_encoder_2", text)):
            shape = self.weights[part, module + ".weight"].shape
            up = (shape[0], RANK) + (1,) * (len(shape) - 2)
            factors[part, module] = (draw.normal(size=(RANK, *shape[1:])).astype(np.float32),
                                     draw.normal(size=up).astype(np.float32))
        return factors

    def change_of(self, factors):
        scale = ALPHA / RANK
        return {(part, module + ".weight"): scale * np.tensordot(
            up.astype(np.float64).reshape(up.shape[0], RANK), down.astype(np.float64), axes=1)
            for (part, module), (down, up) in factors.items()}

    def test_lora_files_change_by_alpha_over_rank_times_their_product(self):
        factors = self.adapters()
        rows = expected(self.weights, self.change_of(factors))
        peft = {f"{part}.{module}.lora_{letter}.weight": value for (part, module), pair in factors.items()
                for letter, value in zip("AB", pair)}
        config = {f"{part}.lora_alpha": ALPHA for part, _ in factors}
        save_file(peft, self.folder / "peft.safetensors", metadata={"lora_adapter_metadata": json.dumps(config)})
        self.compare(self.measure(self.base, self.folder / "peft.safetensors"), rows)
        run(TRAINER, "convert", "--from", self.folder / "peft.safetensors", "--to", self.folder / "kohya.safetensors",
            "--format", "kohya-lora", "--config", self.base)
        self.compare(self.measure(self.base, self.folder / "kohya.safetensors"), rows)

    def test_a_runs_folder_and_its_checkpoint_have_their_adapters_in_them(self):
        run(TRAINER, "synthesize", "--out", self.folder / "data", "--per-label", 6, "--size", 64, "--seed", 1)
        run_dir = self.folder / "run"
        run_dir.mkdir()
        (run_dir / "run.json").write_text(json.dumps({
            "run_id": "r", "name": "r", "seed": 3, "device": "cpu", "resume": [], "cache_dir": str(self.folder / "cache"),
            "config": {"model": {"path": str(self.base)},
                       "data": {"path": str(self.folder / "data"), "resolution": 64, "stretch": "mean3sigma",
                                "scale_column": "scale"},
                       "unet": {"mode": "lora", "rank": RANK, "alpha": ALPHA, "lr": 1e-2, "targets": "attn_conv"},
                       "train": {"steps": 3, "global_batch": 2}, "samples": {"steps": 1}}}))
        run(TRAINER, "train", run_dir)
        weights = load_file(run_dir / "checkpoints/step-00000003/weights.safetensors")
        factors = {}
        for name, down in weights.items():
            if name.endswith(".lora_A.weight"):
                module = name.removeprefix("unet.").removesuffix(".lora_A.weight")
                factors["unet", module] = (down, weights[name.replace("lora_A", "lora_B")])
        rows = expected(self.weights, self.change_of(factors))
        self.assertGreater(rows["unet", "down.1.attentions.0"]["mean"], 0)
        self.compare(self.measure(self.base, run_dir), rows)
        self.compare(self.measure(self.base, run_dir / "checkpoints/step-00000003"), rows)

    def test_another_type_is_told_and_another_architecture_refused(self):
        half = self.folder / "half"
        run(TRAINER, "convert", "--from", self.base, "--to", half, "--format", "folder", "--dtype", "fp16")
        document = self.measure(self.base, half)
        self.assertIn("F32", document["warnings"][0])
        self.assertGreater(document["parts"]["unet"]["mean"], 0)
        small = self.folder / "clip"
        run(TRAINER, "init", "--preset", "clip-tiny", "--out", small, "--seed", 1)
        done = subprocess.run([TRAINER, "mawc", "--base", self.base, "--tuned", small], capture_output=True, text=True)
        self.assertEqual(done.returncode, 78, done.stderr)

    def test_clip_models_are_compared_by_tower(self):
        first, second = self.folder / "clip-1", self.folder / "clip-2"
        for folder in (first, second):
            run(TRAINER, "init", "--preset", "clip-tiny", "--out", folder, "--seed", 1)
        file = second / "model.safetensors"
        weights = load_file(file)
        weights["vision_model.encoder.layers.1.mlp.fc1.bias"] += np.float32(0.25)
        save_file(weights, file, metadata={"format": "pt"})
        document = self.measure(first, second)
        moved = [row for row in document["blocks"] if row["weighted_mean"] > 0]
        self.assertEqual([(row["part"], row["block"]) for row in moved], [("image", "layers.1")])
        self.assertAlmostEqual(moved[0]["mean"], 0.25 / moved[0]["tensors"])


if __name__ == "__main__":
    unittest.main(argv=["mawc_test.py", *sys.argv[2:]])
