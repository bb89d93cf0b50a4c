"""The numerics of training against a plain PyTorch/diffusers/PEFT loop on the tiny model.

replay_test.py TRAINER [GROUP]; GROUP is one of replay_cases.CASES, without it the tests of the step itself run.
Exits 0 if everything agrees (replay_judge.py). Each mutant is the referee with one deliberate mistake: the comparison
has to notice it."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from replay_cases import CASES, MUTANTS, make_inputs, metadata_of, run_json, strangers  # noqa: E402
from replay_judge import disagreements, distance, roundings  # noqa: E402
from replay_referee import Referee, read_result  # noqa: E402

TRAINER, *GROUP = sys.argv[1:]


def make_init(tensors, setup):
    """Adapters with both factors away from zero, so that both have gradients; token rows; a decoder whose pictures
    are as dark as radar's, in part below -1. `tensors`: those that train, by name."""
    draw = torch.Generator().manual_seed(21)
    init = {}
    for name, value in tensors.items():
        if ".lora_" in name or (name.startswith("clip_") and setup["token"]["start"] == "given"):
            init[name] = torch.randn(value.shape, generator=draw) * 0.1
        elif name == "vae.decoder.conv_out.bias" and setup["job"] == "diffusion":
            init[name] = torch.full(value.shape, -0.8)
    return init


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
        save_file(inputs, out / "inputs.safetensors", metadata_of(setup))
        arguments = ["replay", "--config", out / "run.json", "--inputs", out / "inputs.safetensors"]
        if init:
            save_file(init, out / "init.safetensors")
            arguments += ["--init", out / "init.safetensors"]
        self.call(*arguments, "--out", out)
        return read_result(out)

    def referee(self, setup, dtype, mutant=None):
        """Ready to run, and where its adapters start."""
        referee = Referee(self.model, setup, dtype, mutant)
        init = make_init(referee.tensors, setup)
        return referee.load(init), init


class AgreementTest(ReplayTest):
    def test_agrees_with_the_plain_loop(self):
        ran = []
        for name, setup in CASES[GROUP[0]].items():
            with self.subTest(name):
                inputs = make_inputs(setup)
                referee, init = self.referee(setup, torch.float32)
                ours = self.replay(name, setup, inputs, init)
                reference = referee.run(inputs)
                exact = self.referee(setup, torch.float64)[0].run(inputs)
                rounding = roundings(reference, exact)
                judged = exact if is_narrow(setup) else reference
                self.assertEqual(disagreements(ours, judged, rounding, is_narrow(setup)), [])
                ran += self.check_mutants(name, setup, inputs, ours, rounding)
        here = [m for m, where in MUTANTS.items() if where in CASES[GROUP[0]]]
        self.assertEqual(sorted(ran), sorted(here))

    def check_mutants(self, name, setup, inputs, ours, rounding):
        """Those of the case; each has to be noticed by the allowance of the right referee."""
        chosen = [m for m, where in MUTANTS.items() if where == name]
        for mutant in chosen:
            with self.subTest(mutant=mutant):
                wrong = self.referee(setup, torch.float64 if is_narrow(setup) else torch.float32, mutant)[0].run(inputs)
                self.assertNotEqual(disagreements(ours, wrong, rounding, is_narrow(setup)), [])
        return chosen


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

    def init_of(self, setup):
        return self.referee(setup, torch.float32)[1]

    def test_repeating_gives_the_same_bytes(self):
        setup = CASES["networks"]["everything_with_offset_accumulated"]
        inputs, init = make_inputs(setup), self.init_of(setup)
        for name in ("first", "second"):
            self.replay(name, setup, inputs, init)
        self.assert_same_bytes("first", "second")

    def test_a_file_that_tells_of_no_epochs_is_one(self):
        setup = {**CASES["schedules"]["short_tail_flushed"], "rows": 7}
        inputs, init = make_inputs(setup), self.init_of(setup)
        for name, epoch in (("told", 7), ("untold", 0)):
            self.assertEqual(len(self.replay(name, {**setup, "epoch": epoch}, inputs, init)["updates"]), 2)
        self.assert_same_bytes("told", "untold")

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
                inputs, init = make_inputs(setup), self.init_of(setup)
                self.replay(f"{name}-kept", setup, inputs, init)
                train = {**setup["train"], "gradient_checkpointing": "block"}
                self.replay(f"{name}-again", {**setup, "train": train}, inputs, init)
                self.assert_same_bytes(f"{name}-kept", f"{name}-again")


class CasesTest(unittest.TestCase):
    def test_every_group_of_cases_is_run(self):
        self.assertEqual(sorted(os.environ["SARSWEEP_REPLAY_GROUPS"].split(",")), sorted(CASES))

    def test_every_two_values_meet_in_a_case(self):
        self.assertEqual(strangers(), set())

    def test_every_mutant_has_a_case(self):
        cases = [name for group in CASES.values() for name in group]
        self.assertEqual(len(cases), len(set(cases)))
        self.assertGreaterEqual(len(cases), 24)
        self.assertEqual(set(MUTANTS.values()) - set(cases), set())
        self.assertGreaterEqual(len(MUTANTS), 15)


if __name__ == "__main__":
    chosen = ["AgreementTest"] if GROUP else ["CasesTest", "StepTest"]
    unittest.main(argv=[sys.argv[0], *chosen], verbosity=2)
