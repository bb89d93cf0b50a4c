"""The numerics of training against a plain PyTorch/diffusers/PEFT loop on the tiny model.

replay_test.py TRAINER; exits 0 if everything agrees. A quantity agrees if it is as near to the fp32
referee as ten times that referee's own distance from fp64, or as the floor given here. Each mutant is
the referee with one deliberate mistake: the comparison has to notice it."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from replay_referee import Referee, read_result  # noqa: E402

TRAINER = sys.argv[1]
FLOOR = {"loss": 1e-5, "gradient": 1e-5, "norm": 2e-5, "change": 1e-4}
# Adding a constant to all keys changes no softmax: these gradients are zero but for rounding.
ZERO_GRADIENTS = ("k_proj.bias", "to_k.bias")
FROZEN = {"mode": "frozen"}


def full(lr=1e-3):
    return {"mode": "full", "lr": lr}


def lora(rank, alpha, targets="attn", lr=1e-3):
    return {"mode": "lora", "lr": lr, "rank": rank, "alpha": alpha, "targets": targets}


def case(unet=FROZEN, text_encoder=FROZEN, text_encoder_2=FROZEN, rows=12, dropped=False, **train):
    defaults = {"steps": 3, "global_batch": 4, "micro_batch": 4, "tail": "flush", "noise_offset": 0.0,
                "clip_norm": 1.0}
    return {"unet": unet, "text_encoder": text_encoder, "text_encoder_2": text_encoder_2,
            "rows": rows, "dropped": dropped, "train": {**defaults, **train}}


CASES = {
    "unet_full": case(unet=full()),
    "unet_lora_attn": case(unet=lora(4, 2.0)),
    "unet_lora_transformer_conv": case(unet=lora(3, 6.0, "transformer_conv"), noise_offset=0.035),
    "text_lora_different_ranks": case(text_encoder=lora(4, 2.0), text_encoder_2=lora(8, 12.0, "attn_mlp")),
    "text_full": case(text_encoder=full(), text_encoder_2=full(5e-4)),
    "everything_with_offset_accumulated": case(
        unet=full(5e-4), text_encoder=lora(2, 1.0), text_encoder_2=full(2e-4), micro_batch=2,
        noise_offset=0.1, clip_norm=0.5),
    "short_tail_flushed": case(unet=lora(4, 4.0), rows=11, global_batch=4, micro_batch=2),
    "short_tail_dropped": case(unet=lora(4, 4.0), rows=11, global_batch=4, micro_batch=2, tail="drop"),
    "caption_dropout_empty": case(unet=lora(4, 2.0), text_encoder=lora(2, 2.0), dropped=True),
    "caption_dropout_zeros": case(unet=full(), text_encoder_2=full(), dropped=True, uncond_zeros=True),
    "warmup_then_cosine": case(unet=full(), rows=24, steps=6, schedule="cosine", warmup=2),
    "warmup_then_linear": case(unet=lora(4, 2.0), rows=24, steps=6, schedule="linear", warmup=1),
    "min_snr": case(unet=lora(4, 2.0), min_snr_gamma=5.0, clip_norm=1e9),
}
MUTANTS = {  # mistake -> case in which it must show
    "lora_scale": "unet_lora_attn",
    "offset_not_in_target": "everything_with_offset_accumulated",
    "mean_of_micro_means": "short_tail_flushed",
    "zero_filled_gradients": "text_full",
    "warmup_starts_above_zero": "warmup_then_cosine",
}


def run_json(setup, folder):
    train = dict(setup["train"])
    config = {"model": {"path": str(folder)}, "unet": setup["unet"],
              "text_encoder_1": setup["text_encoder"], "text_encoder_2": setup["text_encoder_2"]}
    if train.pop("uncond_zeros", False):
        config["prompt"] = {"uncond": "zeros"}
    return {"config": {**config, "train": train}}


def draw_ids(draw, rows, pad):
    ids = torch.full((rows, 77), pad)
    for row in range(rows):
        length = int(torch.randint(3, 70, (1,), generator=draw))
        ids[row, 0] = 49406
        ids[row, 1:length] = torch.randint(300, 40000, (length - 1,), generator=draw)
        ids[row, length] = 49407
    return ids


def make_inputs(setup):
    draw = torch.Generator().manual_seed(20)
    rows = setup["rows"]
    normal = lambda *shape: torch.randn(*shape, generator=draw)
    inputs = {
        "latents": normal(rows, 4, 8, 8), "noise": normal(rows, 4, 8, 8),
        "offset_noise": normal(rows, 4, 1, 1),
        "timesteps": torch.randint(0, 1000, (rows,), generator=draw),
        "input_ids": draw_ids(draw, rows, 49407), "input_ids_2": draw_ids(draw, rows, 0),
        "time_ids": torch.randint(0, 1500, (rows, 6), generator=draw).float(),
    }
    inputs["timesteps"][:2] = torch.tensor([0, 999])
    if setup["dropped"]:
        inputs["drop"] = (torch.arange(rows) % 3 == 1).to(torch.uint8)
    return inputs


def make_init(folder, setup):
    """Adapters with both factors away from zero, so that both have gradients."""
    draw = torch.Generator().manual_seed(21)
    shapes = Referee(folder, setup, {}, torch.float32).tensors
    return {name: torch.randn(value.shape, generator=draw) * 0.1
            for name, value in shapes.items() if ".lora_" in name}


def distance(a, b):
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    return ((a - b).norm() / b.norm().clamp_min(1e-300)).item()


def quantities(result, start):
    """(kind, name) -> value, of everything that is judged."""
    found = {}
    for kind in ("micro", "updates"):
        for index, numbers in enumerate(result[kind]):
            for key, value in numbers.items():
                found["norm" if key == "grad_norm" else "loss", f"{kind}[{index}].{key}"] = value
    for name, value in result["gradients"].items():
        if not name.endswith(ZERO_GRADIENTS):
            found["gradient", name] = value
    for part in ("unet.", "text_encoder.", "text_encoder_2."):
        change = [(result["final"][n].double() - start[n].double()).flatten()
                  for n in sorted(start) if n.startswith(part) and not n.endswith(ZERO_GRADIENTS)]
        if change:
            found["change", part] = torch.cat(change)
    return found


def untouched(result, start):
    """Tensors that no update changed: those without gradient."""
    return {name for name, value in start.items()
            if torch.equal(result["final"][name].double(), value.double())}


def disagreements(ours, reference, exact):
    """Sentences; empty if `ours` agrees with the fp32 `reference`, whose fp64 twin is `exact`."""
    start = reference["start"]
    mine, theirs, truth = (quantities(r, start) for r in (ours, reference, exact))
    faults = [f"{key}: only on one side" for key in mine.keys() ^ theirs.keys()]
    faults += [f"{name}: changed on one side alone"
               for name in untouched(ours, start) ^ untouched(reference, start)]
    for key in mine.keys() & theirs.keys():
        allowed = max(FLOOR[key[0]], 10 * distance(theirs[key], truth[key]))
        got = distance(mine[key], theirs[key])
        if not got <= allowed:
            faults.append(f"{key}: {got:.2e} apart, {allowed:.2e} allowed")
    return faults


class ReplayTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.scratch = tempfile.TemporaryDirectory(prefix="replay-test-")
        cls.root = pathlib.Path(cls.scratch.name)
        cls.model = cls.root / "model"
        cls.call("init", "--preset", "tiny", "--out", cls.model, "--seed", 5)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @staticmethod
    def call(*arguments):
        done = subprocess.run([TRAINER, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{arguments}: exit {done.returncode}: {done.stderr}")

    def replay(self, name, setup, inputs, init):
        out = self.root / name
        out.mkdir(exist_ok=True)
        (out / "run.json").write_text(json.dumps(run_json(setup, self.model)))
        save_file(inputs, out / "inputs.safetensors")
        arguments = ["replay", "--config", out / "run.json", "--inputs", out / "inputs.safetensors"]
        if init:
            save_file(init, out / "init.safetensors")
            arguments += ["--init", out / "init.safetensors"]
        self.call(*arguments, "--out", out)
        return read_result(out)

    def both(self, setup, inputs, init):
        return [Referee(self.model, setup, init, dtype).run(inputs)
                for dtype in (torch.float32, torch.float64)]

    def test_agrees_with_the_plain_loop(self):
        for name, setup in CASES.items():
            with self.subTest(name):
                inputs, init = make_inputs(setup), make_init(self.model, setup)
                ours = self.replay(name, setup, inputs, init)
                reference, exact = self.both(setup, inputs, init)
                self.assertEqual(disagreements(ours, reference, exact), [])
                self.check_mutants(name, setup, ours, exact)

    def check_mutants(self, name, setup, ours, exact):
        inputs, init = make_inputs(setup), make_init(self.model, setup)
        for mutant in (m for m, where in MUTANTS.items() if where == name):
            with self.subTest(mutant=mutant):
                wrong = Referee(self.model, setup, init, torch.float32, mutant).run(inputs)
                # The mutant's own rounding, not its distance from the truth, sets the allowance.
                twin = Referee(self.model, setup, init, torch.float64, mutant).run(inputs)
                self.assertNotEqual(disagreements(ours, wrong, twin), [])

    def test_any_split_of_an_update_gives_the_same_step(self):
        setup = CASES["unet_full"]
        inputs = make_inputs(setup)
        results = {}
        for micro in (4, 2, 1, 3):
            split = {**setup, "train": {**setup["train"], "micro_batch": micro}}
            results[micro] = self.replay(f"split{micro}", split, inputs, {})
        for micro in (2, 1, 3):
            for a, b in zip(results[micro]["updates"][:1], results[4]["updates"][:1]):
                self.assertLess(abs(a["loss"] / b["loss"] - 1), 1e-6)
                self.assertLess(abs(a["grad_norm"] / b["grad_norm"] - 1), 1e-6)
            change = [torch.cat([v.flatten() for v in results[m]["gradients"].values()]) for m in (micro, 4)]
            self.assertLess(distance(*change), 5e-6)

    def test_repeating_gives_the_same_bytes(self):
        setup = CASES["everything_with_offset_accumulated"]
        inputs, init = make_inputs(setup), make_init(self.model, setup)
        for name in ("first", "second"):
            self.replay(name, setup, inputs, init)
        for file in ("losses.json", "final.safetensors", "grads.safetensors"):
            self.assertEqual((self.root / "first" / file).read_bytes(),
                             (self.root / "second" / file).read_bytes(), file)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
