"""The numerics of training against a plain PyTorch/diffusers/PEFT loop on the tiny model.

replay_test.py TRAINER [GROUP]; GROUP is one of replay_cases.CASES, without it the tests of the step itself run.
Exits 0 if everything agrees. A quantity agrees if it is as near to the fp32 referee as ten times that referee's
own distance from fp64, or as the floor given here. Each mutant is the referee with one deliberate mistake: the comparison has to notice it."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from replay_cases import CASES, MUTANTS, make_inputs, run_json  # noqa: E402
from replay_referee import Referee, read_result  # noqa: E402

TRAINER, *GROUP = sys.argv[1:]
# A refinement term may be the small difference of large parts: ln s and a²/2s of a log-likelihood near 0.
TERMS = ("rayleigh", "histogram", "spectrum", "anchor")
FLOOR = {"loss": 1e-5, "term": 5e-5, "gradient": 1e-5, "norm": 2e-5, "change": 1e-4}
# Half a unit in bf16's last place is 2e-3, and both sides round everywhere, differently: ours keeps activations in
# bf16 between operations, the referee's autocast returns norms in fp32. A single tensor's gradient was seen 8e-2 from
# fp64 where autocast was 2.4e-2; sums over all of them agree far better. Ours may be four times as far as autocast is.
NARROW = {"loss": 4e-3, "term": 1e-2, "gradient": 1e-1, "norm": 2e-2, "change": 5e-2}
# Adding a constant to all keys changes no softmax: these gradients are zero but for rounding.
ZERO_GRADIENTS = ("k_proj.bias", "to_k.bias")
PARTS = ("unet.", "text_encoder.", "text_encoder_2.", "vae.", "clip_", "ema.")


def make_init(folder, setup):
    """Adapters with both factors away from zero, so that both have gradients; token rows; a decoder whose pictures
    are as dark as radar's, in part below -1."""
    draw = torch.Generator().manual_seed(21)
    init = {}
    for name, value in Referee(folder, setup, {}, torch.float32).tensors.items():
        if ".lora_" in name or (name.startswith("clip_") and setup["token"]["start"] == "given"):
            init[name] = torch.randn(value.shape, generator=draw) * 0.1
        elif name == "vae.decoder.conv_out.bias" and setup["job"] == "diffusion":
            init[name] = torch.full(value.shape, -0.8)
    return init


def distance(a, b):
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    return ((a - b).norm() / b.norm().clamp_min(1e-300)).item()


def quantities(result, start):
    """(kind, name) -> value, of everything that is judged."""
    found = {}
    for kind in ("micro", "updates"):
        for index, numbers in enumerate(result[kind]):
            for key, value in numbers.items():
                sort = "norm" if key == "grad_norm" else "term" if key in TERMS else "loss"
                found[sort, f"{kind}[{index}].{key}"] = value
    for name, value in result["gradients"].items():
        if not name.endswith(ZERO_GRADIENTS):
            found["gradient", name] = value
    for part in PARTS:
        change = [(value.double() - start[name.removeprefix("ema.")].double()).flatten()
                  for name, value in sorted(result["final"].items())
                  if name.startswith(part) and not name.endswith(ZERO_GRADIENTS)]
        if change:
            found["change", part] = torch.cat(change)
    return found


def untouched(result, start):
    """Tensors that no update changed: those without gradient."""
    return {name for name, value in start.items()
            if torch.equal(result["final"][name].double(), value.double())}


def disagreements(ours, reference, exact, narrow):
    """Sentences; empty if `ours` agrees with the fp32 (`narrow`: bf16) `reference`, whose fp64 twin is `exact`."""
    start = reference["start"]
    mine, theirs, truth = (quantities(r, start) for r in (ours, reference, exact))
    faults = [f"{key}: only on one side" for key in mine.keys() ^ theirs.keys()]
    faults += [f"{name}: changed on one side alone"
               for name in untouched(ours, start) ^ untouched(reference, start)]
    for key in mine.keys() & theirs.keys():
        rounding = distance(theirs[key], truth[key])
        allowed = max(NARROW[key[0]], 4 * rounding) if narrow else max(FLOOR[key[0]], 10 * rounding)
        got = distance(mine[key], truth[key] if narrow else theirs[key])
        if not got <= allowed:
            faults.append(f"{key}: {got:.2e} apart, {allowed:.2e} allowed")
    return faults


def is_narrow(setup):
    return setup["train"].get("precision") == "bf16"


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

    def both(self, setup, inputs, init, mutant=None):
        return [Referee(self.model, setup, init, dtype, mutant).run(inputs)
                for dtype in (torch.float32, torch.float64)]


class AgreementTest(ReplayTest):
    def test_agrees_with_the_plain_loop(self):
        for name, setup in CASES[GROUP[0]].items():
            with self.subTest(name):
                inputs, init = make_inputs(setup), make_init(self.model, setup)
                ours = self.replay(name, setup, inputs, init)
                reference, exact = self.both(setup, inputs, init)
                self.assertEqual(disagreements(ours, reference, exact, is_narrow(setup)), [])
                self.check_mutants(name, setup, ours)

    def check_mutants(self, name, setup, ours):
        inputs, init = make_inputs(setup), make_init(self.model, setup)
        for mutant in (m for m, where in MUTANTS.items() if where == name):
            with self.subTest(mutant=mutant):
                # The mutant's own rounding, not its distance from the truth, sets the allowance.
                wrong, twin = self.both(setup, inputs, init, mutant)
                self.assertNotEqual(disagreements(ours, wrong, twin, is_narrow(setup)), [])


class StepTest(ReplayTest):
    def test_any_split_of_an_update_gives_the_same_step(self):
        setup = CASES["networks"]["unet_full"]
        inputs = make_inputs(setup)
        results = {}
        for micro in (4, 2, 1):
            split = {**setup, "train": {**setup["train"], "micro_batch": micro}}
            results[micro] = self.replay(f"split{micro}", split, inputs, {})
        for micro in (2, 1):
            for a, b in zip(results[micro]["updates"][:1], results[4]["updates"][:1]):
                self.assertLess(abs(a["loss"] / b["loss"] - 1), 1e-6)
                self.assertLess(abs(a["grad_norm"] / b["grad_norm"] - 1), 1e-6)
            change = [torch.cat([v.flatten() for v in results[m]["gradients"].values()]) for m in (micro, 4)]
            self.assertLess(distance(*change), 5e-6)

    def assert_same_bytes(self, first, second):
        for file in ("losses.json", "final.safetensors", "grads.safetensors"):
            self.assertEqual((self.root / first / file).read_bytes(),
                             (self.root / second / file).read_bytes(), file)

    def test_repeating_gives_the_same_bytes(self):
        setup = CASES["networks"]["everything_with_offset_accumulated"]
        inputs, init = make_inputs(setup), make_init(self.model, setup)
        for name in ("first", "second"):
            self.replay(name, setup, inputs, init)
        self.assert_same_bytes("first", "second")

    def test_recomputed_blocks_give_the_same_bytes(self):
        for name, setup in {
            "text": CASES["networks"]["everything_with_offset_accumulated"],
            "adapters": CASES["networks"]["unet_lora_transformer_conv"],
            "attention": CASES["networks"]["unet_lora_attn"],
            "refined": CASES["paper"]["joint_last_phase"],
            "text_full": CASES["networks"]["text_full"],
            "tokens": CASES["tokens"]["token_from_the_mean"],
            "vae": next(iter(CASES["vae"].values())),
        }.items():
            with self.subTest(name):
                inputs, init = make_inputs(setup), make_init(self.model, setup)
                self.replay(f"{name}-kept", setup, inputs, init)
                train = {**setup["train"], "gradient_checkpointing": "block"}
                self.replay(f"{name}-again", {**setup, "train": train}, inputs, init)
                self.assert_same_bytes(f"{name}-kept", f"{name}-again")


if __name__ == "__main__":
    chosen = "AgreementTest" if GROUP else "StepTest"
    unittest.main(argv=[sys.argv[0], chosen], verbosity=2)
