"""Model files exchanged with diffusers and PEFT, through `sarsweep-trainer convert` and `inspect`.

files_test.py TRAINER [TEST...]; exits 0 if every file comes back with the same weights.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import warnings

import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from diffusers.utils import logging as diffusers_logging
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers.utils import logging as transformers_logging

TRAINER = sys.argv[1]
UNET_TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "proj_in"]
# With "out_proj": without it diffusers takes a kohya file's text layers for those of another format and drops some.
TEXT_TARGETS = ["q_proj", "v_proj", "out_proj", "fc1"]


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def convert(source, target, form, *more):
    run(TRAINER, "convert", "--from", source, "--to", target, "--format", form, *more)
    return target


def inspect(path):
    return json.loads(run(TRAINER, "inspect", path, "--json"))


def bytes_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def metadata_of(file):
    with safe_open(file, "pt") as opened:
        return opened.metadata()


class Files(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="sarsweep-files-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def init(self, name="model", **source):
        flags = [part for key, value in source.items() for part in ("--" + key, value)]
        run(TRAINER, "init", *(flags or ["--preset", "tiny"]), "--out", self.folder / name, "--seed", 2)
        return self.folder / name

    def load(self, model):
        return StableDiffusionXLPipeline.from_pretrained(model, torch_dtype=torch.float32, local_files_only=True)

    def refused(self, *command):
        done = subprocess.run([TRAINER, *map(str, command)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertEqual(done.stderr.strip().count("\n"), 0, done.stderr)
        return done.stderr


class SingleFile(Files):
    def test_folder_to_single_file_and_back_gives_the_same_bytes(self):
        model = self.init()
        for dtype in ("fp32", "fp16", "bf16"):
            start = convert(model, self.folder / dtype, "folder", "--dtype", dtype)
            single = convert(start, self.folder / f"{dtype}.safetensors", "single-file")
            back = convert(single, self.folder / f"{dtype}-back", "folder")
            self.assertEqual(bytes_of(start), bytes_of(back), dtype)
            again = convert(back, self.folder / f"{dtype}-again.safetensors", "single-file")
            self.assertEqual(single.read_bytes(), again.read_bytes(), dtype)

    def test_diffusers_reads_the_weights_of_our_single_file(self):
        # diffusers knows OpenCLIP's encoder by a projection as wide as the encoder.
        shapes = self.init("shapes")
        for part, key, value in (("text_encoder_2", "projection_dim", 64),
                                 ("unet", "projection_class_embeddings_input_dim", 6 * 32 + 64)):
            file = shapes / part / "config.json"
            file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
        model = self.init(config=shapes)
        single = convert(model, self.folder / "one.safetensors", "single-file")
        ours = self.load(model)
        theirs = StableDiffusionXLPipeline.from_single_file(
            str(single), config=str(model), torch_dtype=torch.float32, local_files_only=True)
        count = 0
        for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
            expected = getattr(ours, part).state_dict()
            loaded = getattr(theirs, part).state_dict()
            self.assertEqual(sorted(expected), sorted(loaded), part)
            for name, value in expected.items():
                self.assertTrue(torch.equal(value, loaded[name]), f"{part}.{name}")
                count += 1
        self.assertGreater(count, 900)
        self.assertIn("none of the presets", self.refused(
            "convert", "--from", single, "--to", self.folder / "x", "--format", "folder"))
        back = convert(single, self.folder / "back", "folder", "--config", shapes)
        self.assertEqual(bytes_of(model), bytes_of(back))

    def test_facts_that_only_the_file_tells_survive(self):
        single = convert(self.init(), self.folder / "a.safetensors", "single-file")
        tensors = load_file(single)
        tensors["conditioner.embedders.1.model.logit_scale"] = torch.tensor(3.25)
        tensors["v_pred"] = torch.zeros(0)
        tensors["model_ema.decay"] = torch.tensor(0.5)
        save_file(tensors, self.folder / "b.safetensors", metadata={"format": "pt", "modelspec.title": "mine"})
        folder = convert(self.folder / "b.safetensors", self.folder / "b", "folder")
        scheduler = json.loads((folder / "scheduler/scheduler_config.json").read_text())
        self.assertEqual(scheduler["prediction_type"], "v_prediction")
        back = convert(folder, self.folder / "c.safetensors", "single-file")
        self.assertEqual(load_file(back)["conditioner.embedders.1.model.logit_scale"].item(), 3.25)
        self.assertEqual(metadata_of(back)["modelspec.prediction_type"], "v")
        half = convert(self.folder / "b.safetensors", self.folder / "d.safetensors", "single-file", "--dtype", "fp16")
        self.assertEqual(metadata_of(half)["modelspec.title"], "mine")
        self.assertEqual(inspect(half)["dtypes"], {"F16": inspect(back)["tensors"] - 1, "I64": 1})

    def test_missing_and_unexpected_tensors_are_named(self):
        single = convert(self.init(), self.folder / "a.safetensors", "single-file")
        tensors = load_file(single)
        del tensors["first_stage_model.encoder.conv_in.bias"]
        save_file(tensors, self.folder / "b.safetensors")
        say = self.refused("convert", "--from", self.folder / "b.safetensors", "--to", self.folder / "x", "--format",
                           "folder")
        self.assertIn("missing first_stage_model.encoder.conv_in.bias", say)
        tensors = load_file(single) | {"model.diffusion_model.extra": torch.zeros(1)}
        save_file(tensors, self.folder / "c.safetensors")
        say = self.refused("convert", "--from", self.folder / "c.safetensors", "--to", self.folder / "x", "--format",
                           "folder")
        self.assertIn("unexpected model.diffusion_model.extra", say)
        self.assertFalse((self.folder / "x").exists())


def adapted(pipe, alpha, rank):
    """PEFT adapters on the UNet and the first text encoder, both factors random."""
    config = lambda targets: LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, init_lora_weights=False)
    torch.manual_seed(5)
    pipe.unet.add_adapter(config(UNET_TARGETS))
    pipe.text_encoder.add_adapter(config(TEXT_TARGETS))
    return pipe


def effects(module):
    """What every adapter adds to its layer's weight."""
    result = {}
    for name, layer in module.named_modules():
        if not getattr(layer, "lora_A", None):
            continue
        (key,) = layer.lora_A.keys()
        down, up = layer.lora_A[key].weight, layer.lora_B[key].weight
        result[name] = (layer.scaling[key] * up.flatten(1) @ down.flatten(1)).detach()
    return result


class Adapters(Files):
    def setUp(self):
        super().setUp()
        self.model = self.init()

    def assert_same_effects(self, file, expected, name):
        """diffusers, with `file` loaded, changes the same layers by the same amounts."""
        pipe = self.load(self.model)
        pipe.load_lora_weights(str(file))
        for part, wanted in expected.items():
            found = effects(getattr(pipe, part))
            self.assertEqual(sorted(found), sorted(wanted), f"{name}: {part}")
            for module, value in wanted.items():
                error = (found[module] - value).abs().max() / value.abs().max()
                self.assertLessEqual(error.item(), 1e-6, f"{name}: {part}.{module}")

    def check(self, source, expected, name):
        """Whatever spelling `source` has, ours reads it and writes both formats with the same effect."""
        for form in ("peft-lora", "kohya-lora"):
            ours = convert(source, self.folder / f"{name}-{form}.safetensors", form)
            self.assert_same_effects(ours, expected, f"{name} as {form}")

    def factors(self, pipe):
        unet = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipe.unet))
        text = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipe.text_encoder))
        return unet, text

    def test_diffusers_files_with_and_without_alpha(self):
        pipe = adapted(self.load(self.model), alpha=2, rank=4)
        expected = {"unet": effects(pipe.unet), "text_encoder": effects(pipe.text_encoder)}
        unet, text = self.factors(pipe)
        described = lambda module: module.peft_config["default"].to_dict()
        pipe.save_lora_weights(self.folder / "with", unet_lora_layers=unet, text_encoder_lora_layers=text,
                               unet_lora_adapter_metadata=described(pipe.unet),
                               text_encoder_lora_adapter_metadata=described(pipe.text_encoder))
        pipe.save_lora_weights(self.folder / "without", unet_lora_layers=unet, text_encoder_lora_layers=text)
        name = "pytorch_lora_weights.safetensors"
        self.check(self.folder / "with" / name, expected, "with")
        unscaled = {part: {key: 2 * value for key, value in group.items()} for part, group in expected.items()}
        self.check(self.folder / "without" / name, unscaled, "without")
        facts = inspect(self.folder / "with" / name)
        self.assertEqual(facts["kind"], "PEFT LoRA")
        self.assertEqual(facts["adapters"]["unet"]["alphas"], [2])
        self.assertEqual(inspect(self.folder / "without" / name)["adapters"]["unet"]["alphas"], [])

    def test_one_models_adapters_as_diffusers_and_peft_save_them(self):
        pipe = adapted(self.load(self.model), alpha=3, rank=4)
        pipe.unet.save_lora_adapter(self.folder / "bare")
        expected = {"unet": effects(pipe.unet)}
        self.check(self.folder / "bare/pytorch_lora_weights.safetensors", expected, "bare")
        config = LoraConfig(r=4, lora_alpha=7, target_modules=UNET_TARGETS, init_lora_weights=False)
        peft = get_peft_model(self.load(self.model).unet, config)
        peft.save_pretrained(self.folder / "peft")
        strip = lambda name: name.removeprefix("base_model.model.")
        expected = {"unet": {strip(name): value for name, value in effects(peft).items()}}
        self.check(self.folder / "peft/adapter_model.safetensors", expected, "peft")

    def test_spellings_of_older_tools(self):
        pipe = adapted(self.load(self.model), alpha=4, rank=4)
        expected = {"unet": effects(pipe.unet), "text_encoder": effects(pipe.text_encoder)}
        peft = {f"{part}.{name}": value for part in expected
                for name, value in get_peft_model_state_dict(getattr(pipe, part)).items()}
        rename = lambda pairs: {self.replaced(key, pairs): value.contiguous() for key, value in peft.items()}
        variants = {
            "lora-down": rename({".lora_A.": ".lora.down.", ".lora_B.": ".lora.up."}),
            "linear-layer": rename({".lora_A.": ".lora_linear_layer.down.", ".lora_B.": ".lora_linear_layer.up."}),
            "kohya-by-diffusers": convert_state_dict_to_kohya(peft)}
        for name, tensors in variants.items():
            save_file(tensors, self.folder / f"{name}.safetensors")
            self.check(self.folder / f"{name}.safetensors", expected, name)
        self.assertEqual(inspect(self.folder / "kohya-by-diffusers.safetensors")["kind"], "kohya LoRA")

    def replaced(self, text, pairs):
        for old, new in pairs.items():
            text = text.replace(old, new)
        return text

    def test_rank_256_with_half_its_alpha(self):
        pipe = adapted(self.load(self.model), alpha=128, rank=256)
        expected = {"unet": effects(pipe.unet), "text_encoder": effects(pipe.text_encoder)}
        unet, text = self.factors(pipe)
        described = lambda module: module.peft_config["default"].to_dict()
        pipe.save_lora_weights(self.folder, unet_lora_layers=unet, text_encoder_lora_layers=text,
                               unet_lora_adapter_metadata=described(pipe.unet),
                               text_encoder_lora_adapter_metadata=described(pipe.text_encoder))
        source = self.folder / "pytorch_lora_weights.safetensors"
        self.check(source, expected, "large")
        facts = inspect(self.folder / "large-kohya-lora.safetensors")
        self.assertEqual(facts["kind"], "kohya LoRA")
        self.assertEqual(facts["adapters"]["unet"]["ranks"], [256])
        self.assertEqual(facts["adapters"]["unet"]["alphas"], [128])
        self.assertEqual(facts["adapters"]["text_encoder"]["targets"], sorted(TEXT_TARGETS))
        self.assertEqual(facts["metadata"]["ss_network_alpha"], "128")

    def test_metadata_goes_along_and_types_stay(self):
        pipe = adapted(self.load(self.model), alpha=2, rank=4)
        pipe.unet.save_lora_adapter(self.folder / "bare")
        first = convert(self.folder / "bare/pytorch_lora_weights.safetensors", self.folder / "a.safetensors",
                        "kohya-lora", "--dtype", "bf16")
        tensors, metadata = load_file(first), metadata_of(first)
        save_file(tensors, self.folder / "b.safetensors", metadata=metadata | {"ss_output_name": "port"})
        second = convert(self.folder / "b.safetensors", self.folder / "c.safetensors", "peft-lora")
        self.assertEqual(metadata_of(second)["ss_output_name"], "port")
        self.assertNotIn("ss_network_alpha", metadata_of(second))
        self.assertEqual(inspect(second)["dtypes"], {"BF16": inspect(second)["tensors"]})
        third = convert(second, self.folder / "d.safetensors", "kohya-lora")
        self.assertEqual({k: v.tolist() for k, v in load_file(third).items()},
                         {k: v.tolist() for k, v in tensors.items()})


class Runs(Files):
    """A run from a single file is the run from the folder it was made of, and may end in a single file."""

    def train(self, name, model, **more):
        run_dir = self.folder / name
        run_dir.mkdir()
        config = {"job": "diffusion", "model": {"path": str(model)},
                  "data": {"path": str(self.folder / "data"), "resolution": 64, "stretch": "mean3sigma",
                           "scale_column": "scale"},
                  "unet": {"mode": "lora", "rank": 4, "alpha": 2, "lr": 1e-3},
                  "train": {"steps": 2, "global_batch": 2, "micro_batch": 2, "warmup": 1},
                  "samples": {"steps": 1, "prompts": ["a ship"]}, **more}
        document = {"run_id": name, "name": "rose", "seed": 3, "device": "cpu", "threads": 1, "resume": [],
                    "config": config}
        (run_dir / "run.json").write_text(json.dumps(document))
        run(TRAINER, "train", run_dir)
        return run_dir

    def test_a_run_from_a_single_file_equals_the_run_from_its_folder(self):
        run(TRAINER, "synthesize", "--out", self.folder / "data", "--per-label", 6, "--size", 64, "--seed", 1)
        model = self.init()
        single = convert(model, self.folder / "one.safetensors", "single-file")
        export = {"export": {"pipeline": "single_file", "dtype": "fp32"}}
        from_folder = self.train("a", model, **export)
        from_file = self.train("b", single, **export)
        checkpoint = "checkpoints/step-00000002/weights.safetensors"
        self.assertEqual((from_folder / checkpoint).read_bytes(), (from_file / checkpoint).read_bytes())
        whole = from_file / "export/model.safetensors"
        self.assertEqual(whole.read_bytes(), (from_folder / "export/model.safetensors").read_bytes())
        self.assertEqual(metadata_of(whole)["modelspec.title"], "rose")
        kohya = metadata_of(from_file / "export/lora_kohya.safetensors")
        self.assertEqual((kohya["ss_network_alpha"], kohya["ss_unet_lr"], kohya["ss_output_name"]),
                         ("2", "0.001", "rose"))
        # The exported model is the base with the exported adapters merged.
        merged = self.load(convert(whole, self.folder / "merged", "folder"))
        pipe = self.load(model)
        convert(from_file / "checkpoints/step-00000002", self.folder / "l.safetensors", "peft-lora")
        pipe.load_lora_weights(str(self.folder / "l.safetensors"))
        pipe.fuse_lora()
        pipe.unload_lora_weights()
        changed = 0
        before = self.load(model).unet.state_dict()
        for name, value in merged.unet.state_dict().items():
            fused = pipe.unet.state_dict()[name]
            changed += not torch.equal(value, before[name])
            self.assertLessEqual((value - fused).abs().max().item(), 1e-6 * fused.abs().max().item() + 1e-9, name)
        self.assertGreater(changed, 50)


class Variants(Files):
    def test_as_diffusers_saves_them_whole_and_in_shards(self):
        pipe = self.load(self.init())
        for variant, dtype, size in (("fp16", torch.float16, None), ("bf16", torch.bfloat16, None),
                                     ("bf16", torch.bfloat16, "500KB"), (None, torch.float32, "500KB")):
            with self.subTest(variant=variant, shards=size):
                saved = self.folder / f"{variant}-{size}"
                pipe.to(dtype).save_pretrained(saved, variant=variant, max_shard_size=size or "10GB")
                indices = list(saved.rglob("*.index*.json"))
                self.assertEqual(len(indices), 4 if size else 0, indices)
                ours = convert(saved, self.folder / f"{saved.name}-ours", "folder", "--dtype", "fp32")
                for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
                    stored = load_file(next((ours / part).glob("*.safetensors")))
                    for name, value in getattr(pipe, part).state_dict().items():
                        known = name if name in stored else f"text_model.{name}"
                        self.assertTrue(torch.equal(stored[known], value.float()), name)


class Refusals(Files):
    def test_what_cannot_be_converted_is_said_and_nothing_written(self):
        model = self.init()
        target = self.folder / "x"
        to = lambda source, form: self.refused("convert", "--from", source, "--to", target, "--format", form)
        self.assertIn("there is no", to(self.folder / "absent", "folder"))
        self.assertIn("without adapters", to(model, "kohya-lora"))
        self.assertIn("neither a pipeline", to(model / "unet", "folder"))
        save_file({"a": torch.zeros(1)}, self.folder / "a.safetensors")
        self.assertIn("neither a model nor adapters", to(self.folder / "a.safetensors", "folder"))
        save_file({"lora_unet_nowhere.lora_down.weight": torch.zeros(1, 2)}, self.folder / "b.safetensors")
        self.assertIn("names no layer", to(self.folder / "b.safetensors", "peft-lora"))
        self.assertIn("adapters alone", to(self.folder / "b.safetensors", "folder"))
        (self.folder / "c.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
        self.assertIn("does not start with '{'", to(self.folder / "c.safetensors", "folder"))
        self.assertFalse(target.exists())
        target.write_text("kept")
        self.assertIn("exists already", to(model, "single-file"))
        self.assertEqual(target.read_text(), "kept")

    def test_inspect_tells_folders_and_files_apart(self):
        model = self.init()
        facts = inspect(model)
        self.assertEqual((facts["kind"], facts["class"]), ("pipeline folder", "StableDiffusionXLPipeline"))
        sizes = {part: sum(v.numel() for v in load_file(next((model / part).glob("*.safetensors"))).values())
                 for part in ("unet", "vae", "text_encoder", "text_encoder_2")}
        self.assertEqual({k: v["parameters"] for k, v in facts["parts"].items()}, sizes)
        self.assertEqual(facts["parameters"], sum(sizes.values()))
        save_file({"clip_l": torch.zeros(2, 32), "clip_g": torch.zeros(2, 64)}, self.folder / "e.safetensors")
        self.assertEqual(inspect(self.folder / "e.safetensors")["kind"], "embeddings")
        text = run(TRAINER, "inspect", model)
        self.assertIn("pipeline folder", text)
        self.assertIn(f"parameters: {facts['parameters']}", text)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
