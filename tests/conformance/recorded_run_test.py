"""A run from its pictures to its weights, and what it exports, against numpy, Pillow, transformers and diffusers.

recorded_run_test.py TRAINER FORWARD_DUMP; exits 0 if everything agrees. `train --record` writes down what a run was
given; data_referee.py works the same out from the files on disk and the seed, and with that the referee of
replay_referee.py has to come to the losses and weights of the run itself."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import warnings

import diffusers
import numpy as np
import tifffile
import torch
import transformers
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from data_referee import DataReferee, philox, tokenizers_of  # noqa: E402
from replay_cases import case, decoder, full, lora, run_json, token  # noqa: E402
from replay_judge import disagreements, distance, roundings  # noqa: E402
from replay_referee import Referee, read_models  # noqa: E402

TRAINER, FORWARD_DUMP = sys.argv[1:3]
SEED, SIDE = 11, 64
PROMPT = "A <SAR> image of a harbour"
FORWARD = 1e-5  # max|a - b| over max|b|


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")


def speckle(random, height, width):
    """Amplitude of a bright square in clutter, one look."""
    power = np.ones((height, width))
    power[height // 3:height // 2, width // 4:width // 2] = 9
    return random.rayleigh(np.sqrt(power / 2))


def imagefolder(folder):
    """16-bit grey PNGs of unequal sizes; the scale makes them amplitude."""
    split = folder / "train"
    split.mkdir(parents=True)
    random, rows = np.random.default_rng(4), []
    for number, (height, width) in enumerate([(72, 96), (80, 64), (64, 70), (100, 66), (65, 65), (90, 120)]):
        scale = (number + 1) * 1e-4
        stored = np.clip(speckle(random, height, width) / scale, 0, 65535).astype(np.uint16)
        Image.fromarray(stored).save(split / f"{number}.png")
        kind = "SAR image" if number != 2 else "photograph"
        rows.append({"file_name": f"{number}.png", "text": f"A {kind} of site {number}", "scale": scale})
    (split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def kohya(folder):
    """A picture of every other kind, each with a caption beside it; amplitude below 1 in all."""
    random = np.random.default_rng(5)
    for name, height, width in [("2_ship/a.tif", 130, 150), ("2_ship/b.png", 64, 64), ("2_ship/c.tif", 128, 200),
                                ("2_field/a.png", 70, 90), ("2_field/b.tif", 192, 193), ("2_field/c.png", 140, 131)]:
        file = folder / "train" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        grey = np.clip(speckle(random, height, width) / 8, 0, 1)
        colour = (np.stack([grey, grey ** 2, grey / 2], 2) * 255).astype(np.uint8)
        if name == "2_ship/c.tif":
            tifffile.imwrite(file, colour.astype(np.uint16) * 257, photometric="rgb")
        elif file.suffix == ".tif":
            tifffile.imwrite(file, grey.astype(np.float32), photometric="minisblack")
        elif name == "2_field/a.png":
            Image.fromarray(colour).quantize(16).save(file)
        else:
            Image.fromarray(colour if name == "2_ship/b.png" else (grey * 255).astype(np.uint8)).save(file)
        file.with_suffix(".txt").write_text(f" A SAR image of {name} \n")


class RecordedRun(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.scratch = tempfile.TemporaryDirectory(prefix="recorded-run-")
        cls.root = pathlib.Path(cls.scratch.name)
        cls.model = cls.root / "model"
        run(TRAINER, "init", "--preset", "tiny", "--out", cls.model, "--seed", 5)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_the_referee_draws_what_philox_is_published_to(self):
        """Known answers of Random123 for Philox4x32-10."""
        most = 2**64 - 1
        for key, low, high, words in (
                (0, 0, 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"), (most, most, most, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
                (0x299F31D0A4093822, 0x85A308D3243F6A88, 0x0370734413198A2E, "d16cfe09 94fdcceb 5001e420 24126ea1")):
            self.assertEqual(" ".join(f"{int(word):08x}" for word in philox(key, low, high)[0]), words)

    def document(self, name, setup, model, groups):
        document = run_json(setup, model) | {"seed": SEED, "run_id": name, "name": name, "device": "cpu", "threads": 1,
                                             "cache_dir": str(self.root / name / "cache"), "resume": []}
        for group, values in groups.items():
            document["config"][group] = document["config"].get(group, {}) | values
        document["config"] |= {"checkpoint": {"every": 1}, "samples": {"steps": 1, "prompts": [PROMPT]}}
        return document

    def train(self, document, *options):
        folder = self.root / document["name"]
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps(document))
        run(TRAINER, "train", folder, *options)
        return folder

    def parent(self, setup, groups):
        """A checkpoint of the same training at another rate, whose adapters have two factors away from zero: at a
        second factor of zero Adam's first steps make noise of rounding."""
        faster = {part: setup[part] | {"lr": 3e-2} for part in ("unet", "text_encoder") if setup[part]["mode"] == "lora"}
        train = setup["train"] | {"steps": 1, "warmup": 0, "schedule": "constant"}
        document = self.document("parent", {**setup, **faster, "train": train}, self.model, groups)
        return self.train(document) / "checkpoints/step-00000001"

    def result_of(self, folder, updates):
        """What the run told and saved, in the shape of Referee.run."""
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        curves = [event["values"] for event in events if event["type"] == "metrics" and "train/loss" in event["values"]]
        last = folder / f"checkpoints/step-{updates:08}"
        final = load_file(last / "weights.safetensors")
        if (last / "ema.safetensors").exists():
            final |= {f"ema.{name}": value for name, value in load_file(last / "ema.safetensors").items()}
        told = [{"loss": values["train/loss"], "grad_norm": values["train/grad_norm"]} for values in curves]
        return {"updates": told, "final": final}

    def check_rows(self, recorded, given, exact):
        self.assertEqual(recorded.keys(), given.keys())
        for name, value in recorded.items():
            with self.subTest(row=name):
                self.assertEqual(value.shape, given[name].shape)
                if name == "latents":
                    allowed = max(1e-5, 10 * distance(given[name], exact[name]))
                    each = [distance(a, b) for a, b in zip(value, given[name])]
                    self.assertLessEqual(max(each), allowed)
                elif value.is_floating_point():
                    self.assertLessEqual((value - given[name]).abs().max().item(), 2e-6)
                else:
                    self.assertTrue(torch.equal(value, given[name]))

    def check(self, name, setup, tokens=(), parent=False, **groups):
        """The first update has a learning rate of 0: its checkpoint tells where adapters and rows started."""
        updates = setup["train"]["steps"]
        document = self.document(name, setup, self.parent(setup, groups) if parent else self.model, groups)
        folder = self.train(document, "--record", self.root / "record", "--record-updates", updates)
        config, recorded = document["config"], load_file(self.root / "record")
        tokenizers = tokenizers_of(self.model, tokens)
        vae = read_models(self.model)["vae"]
        given = DataReferee(config, SEED, vae, tokenizers).inputs(updates)
        exact = DataReferee(config, SEED, vae.double(), tokenizers).inputs(updates)
        vae.float()
        self.check_rows(recorded, given, exact)
        start = load_file(folder / "checkpoints/step-00000001/weights.safetensors")
        found = []
        for dtype, rows in ((torch.float32, given), (torch.float64, exact)):
            result = Referee(self.model, setup, dtype).load(start).run(rows)
            found.append({key: result[key] for key in ("updates", "final", "start")})
        ours = self.result_of(folder, updates)
        self.assertEqual(len(ours["updates"]), updates)
        self.assertEqual(disagreements(ours, found[0], roundings(*found), False), [])
        return folder

    def test_random_views_a_token_and_a_decoder(self):
        """Carried tails: the second and third update take pictures of two epochs each."""
        setup = case(unet=lora(4, 2.0, "attn_ff"), text_encoder=lora(2, 2.0), text_encoder_2=full(5e-4),
                     token=token(1), vae=decoder(late_share=0.6, t_max=400), dropped=True, epoch=6, steps=4,
                     micro_batch=2, tail="carry", latents="mean", noise_offset=0.05, warmup=1, schedule="cosine")
        imagefolder(self.root / "imagefolder")
        folder = self.check(
            "everything", setup, tokens=["<SAR>"], parent=True,
            data={"path": str(self.root / "imagefolder"), "resolution": SIDE, "scale_column": "scale",
                  "crop": "random", "flip": "both", "range_axis": "rows"},
            prompt={"replace": {"SAR image": "<SAR> image"}, "dropout": 0.4}, token={"text": "<SAR>"},
            export={"pipeline": "folder", "dtype": "fp32"})
        self.check_export(folder)

    def test_cached_latents_and_captions_of_many_kinds_of_files(self):
        """Flushed tails: updates of four and two pictures, twice."""
        setup = case(unet=full(5e-4), dropped=True, uncond_zeros=True, stretch="sqrt", epoch=6, steps=4, micro_batch=2,
                     min_snr_gamma=5.0, ema_decay=0.5, warmup=1, betas=[0.8, 0.95], eps=1e-6, weight_decay=0.1)
        kohya(self.root / "kohya")
        self.check("cached", setup, prompt={"dropout": 0.4},
                   data={"path": str(self.root / "kohya"), "resolution": SIDE, "resize": "block_mean", "gray": "luma",
                         "flip": "azimuth", "range_axis": "columns"})

    def check_export(self, folder):
        """diffusers makes of the exported folder what our sampler makes of the checkpoint, <SAR> included."""
        export, last = folder / "export/pipeline", folder / "checkpoints/step-00000004"
        run(FORWARD_DUMP, "--sample", last, PROMPT, folder / "ours.safetensors")
        ours = load_file(folder / "ours.safetensors")
        self.assertEqual(json.loads((export / "text_encoder_2/config.json").read_text())["eos_token_id"], 49407)
        pipe = StableDiffusionXLPipeline.from_pretrained(export, local_files_only=True, add_watermarker=False)
        pipe.set_progress_bar_config(disable=True)
        self.assertEqual([len(pipe.tokenizer), pipe.text_encoder.get_input_embeddings().num_embeddings], [49409, 49409])
        self.assertIn(49408, pipe.tokenizer_2(PROMPT).input_ids)
        height, width = (8 * side for side in ours["noise"].shape[-2:])
        with torch.no_grad():
            context, _, pooled, _ = pipe.encode_prompt(PROMPT, do_classifier_free_guidance=False)
            latents = pipe(PROMPT, latents=ours["noise"].clone(), height=height, width=width, num_inference_steps=10,
                           guidance_scale=5.0, output_type="latent").images
            pixels = pipe.vae.decode(ours["latents"] / pipe.vae.config.scaling_factor).sample
            before = read_models(self.model)["vae"].decode(ours["latents"] / pipe.vae.config.scaling_factor).sample
        for name, theirs in {"context": context, "pooled": pooled, "latents": latents, "pixels": pixels}.items():
            error = ((ours[name] - theirs).abs().max() / theirs.abs().max()).item()
            self.assertLessEqual(error, FORWARD, name)
        self.assertGreater((pixels - before).abs().max().item(), 1e-3)  # of the decoder before it was refined


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    unittest.main(argv=sys.argv[:1], verbosity=2, warnings="ignore")
