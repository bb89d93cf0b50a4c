"""The architecture against diffusers and transformers, on weights that `sarsweep-trainer init` makes.

models_test.py TRAINER FORWARD_DUMP [TEST...]; exits 0 if everything agrees. fp32 on the CPU; a tensor agrees if
max|a - b| <= tolerance * max|b|.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.loaders import single_file_utils
from diffusers.utils import logging as diffusers_logging
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
from transformers.utils import logging as transformers_logging

TRAINER, FORWARD_DUMP = sys.argv[1:3]
FORWARD_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
# Gradients that are zero but for rounding: adding a constant to all keys changes no softmax, and one
# added to a channel is undone by a norm whose groups are single channels (the last level of small's VAE).
ZERO_GRADIENTS = {
    "tiny": re.compile(r"(k_proj|to_k)\.bias$"),
    "small": re.compile(r"(k_proj|to_k)\.bias$|decoder\.up_blocks\.3\.resnets\.\d\.conv\w+\.bias$")}
PROMPTS = ["a SAR image of a T-72 tank", "", "Sentinel-1 VV harbour, 3 ships; 10 m " * 30]


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def bytes_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def make_inputs(pipe):
    draw = torch.Generator().manual_seed(7)
    unet, vae = pipe.unet.config, pipe.vae.config
    normal = lambda *shape: torch.randn(*shape, generator=draw)
    side = unet.sample_size
    token_ids = lambda t: t(PROMPTS, padding="max_length", max_length=77, truncation=True,
                            return_tensors="pt").input_ids
    return {
        "sample": normal(4, 4, side, side),
        "timesteps": torch.tensor([0, 1, 500, 999]),
        "context": normal(4, 77, unet.cross_attention_dim),
        "pooled": normal(4, pipe.text_encoder_2.config.projection_dim),
        "time_ids": torch.tensor([[1024.0, 1024, 0, 0, 1024, 1024], [640, 480, 16, 8, 512, 768],
                                  [128, 128, 0, 0, 128, 128], [333, 777, 5, 250, 256, 256]]),
        "unet_projection": normal(4, 4, side, side),
        "pixels": normal(2, 3, vae.sample_size, vae.sample_size).clamp(-1, 1),
        "latents": normal(2, 4, side, side),
        "vae_projection": normal(2, 3, vae.sample_size, vae.sample_size),
        "ids": token_ids(pipe.tokenizer),
        "ids_2": token_ids(pipe.tokenizer_2),
        "text_projection": normal(3, pipe.text_encoder_2.config.projection_dim),
    }


def text_name(name):
    """The name in a diffusers folder of a parameter of transformers' text model, old or new."""
    return name if name.startswith(("text_model.", "text_projection")) else "text_model." + name


def gradients(module, part, output, projection):
    module.zero_grad()
    (output * projection).sum().backward()
    rename = text_name if part.startswith("text") else lambda name: name
    return {f"grad.{part}.{rename(name)}": p.grad for name, p in module.named_parameters()
            if p.grad is not None}


def reference_outputs(pipe, data):
    unet = pipe.unet(data["sample"], data["timesteps"], data["context"],
                     added_cond_kwargs={"text_embeds": data["pooled"], "time_ids": data["time_ids"]}).sample
    decoded = pipe.vae.decode(data["latents"]).sample
    second = pipe.text_encoder_2(data["ids_2"], output_hidden_states=True)
    results = gradients(pipe.unet, "unet", unet, data["unet_projection"])
    results |= gradients(pipe.vae, "vae", decoded, data["vae_projection"])
    results |= gradients(pipe.text_encoder_2, "text_encoder_2", second.text_embeds, data["text_projection"])
    with torch.no_grad():
        posterior = pipe.vae.encode(data["pixels"]).latent_dist
        hidden = pipe.text_encoder(data["ids"], output_hidden_states=True).hidden_states[-2]
        hidden_2 = second.hidden_states[-2]
    return results | {
        "unet": unet, "vae_decoded": decoded, "vae_mean": posterior.mean,
        "vae_log_variance": posterior.logvar, "text_hidden": hidden, "text_hidden_2": hidden_2,
        "text_pooled_2": second.text_embeds, "prompt_context": torch.cat([hidden, hidden_2], -1)}


def doubled(pipe, data):
    """Both in double precision: what two implementations in fp32 round differently is no error of either."""
    for part in (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2):
        part.double()
    return pipe, {name: value.double() if value.is_floating_point() else value for name, value in data.items()}


def relative_error(ours, reference):
    return ((ours - reference).abs().max() / reference.abs().max()).item()


class Presets(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="sarsweep-models-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def check_preset(self, preset):
        model = self.folder / preset
        run(TRAINER, "init", "--preset", preset, "--out", model, "--seed", 3)
        pipe = StableDiffusionXLPipeline.from_pretrained(model, torch_dtype=torch.float32)
        data = make_inputs(pipe)
        save_file(data, self.folder / "in.safetensors")
        run(FORWARD_DUMP, model, self.folder / "in.safetensors", self.folder / "out.safetensors")
        ours = load_file(self.folder / "out.safetensors")
        reference = reference_outputs(*doubled(pipe, data))
        self.assertEqual(sorted(ours), sorted(reference))
        worst = {}
        for name in ours:
            if name.startswith("grad.") and ZERO_GRADIENTS[preset].search(name):
                continue
            kind = ".".join(name.split(".")[:2]) if name.startswith("grad.") else name
            error = relative_error(ours[name], reference[name].detach())
            worst[kind] = max(worst.get(kind, (0.0, "")), (error, name))
        print(json.dumps({preset: worst}, indent=1))
        for kind, (error, name) in worst.items():
            tolerance = GRADIENT_TOLERANCE if kind.startswith("grad.") else FORWARD_TOLERANCE
            self.assertLessEqual(error, tolerance, f"{preset}: {name}")

    def test_tiny_agrees_with_diffusers(self):
        self.check_preset("tiny")

    def test_small_agrees_with_diffusers(self):
        self.check_preset("small")

    def test_diffusers_copy_of_a_pipeline_is_read_back_to_the_same_bytes(self):
        model, theirs, copy = self.folder / "a", self.folder / "b", self.folder / "c"
        run(TRAINER, "init", "--preset", "tiny", "--out", model, "--seed", 1)
        pipe = StableDiffusionXLPipeline.from_pretrained(model, torch_dtype=torch.float32)
        # Small shards give the folder an index, as the full UNet has in fp32.
        pipe.save_pretrained(theirs, max_shard_size="1MB")
        self.assertTrue((theirs / "unet/diffusion_pytorch_model.safetensors.index.json").exists())
        run(FORWARD_DUMP, "--copy", theirs, copy)
        weights = lambda folder: {k: v for k, v in bytes_of(folder).items() if k.endswith(".safetensors")}
        self.assertEqual(weights(model), weights(copy))

    def test_equal_seeds_give_equal_bytes_and_a_copy_changes_none(self):
        a, b, c, copy = (self.folder / name for name in "abcd")
        for out, seed in ((a, 5), (b, 5), (c, 6)):
            run(TRAINER, "init", "--preset", "tiny", "--out", out, "--seed", seed)
        run(FORWARD_DUMP, "--copy", a, copy)
        self.assertEqual(bytes_of(a), bytes_of(b))
        self.assertEqual(bytes_of(a), bytes_of(copy))
        unet = "unet/diffusion_pytorch_model.safetensors"
        self.assertNotEqual(bytes_of(a)[unet], bytes_of(c)[unet])

    def test_half_precision_variants_are_found_and_loaded(self):
        model, theirs, copy = self.folder / "a", self.folder / "b", self.folder / "c"
        run(TRAINER, "init", "--preset", "tiny", "--out", model, "--seed", 1)
        pipe = StableDiffusionXLPipeline.from_pretrained(model, torch_dtype=torch.float16)
        pipe.save_pretrained(theirs, variant="fp16")
        self.assertTrue((theirs / "unet/diffusion_pytorch_model.fp16.safetensors").exists())
        run(FORWARD_DUMP, "--copy", theirs, copy)
        name = "unet/diffusion_pytorch_model.safetensors"
        ours, original = load_file(copy / name), load_file(model / name)
        for key, value in original.items():
            self.assertTrue(torch.equal(ours[key], value.half().float()), key)

    def test_init_refuses_a_folder_that_is_not_empty(self):
        model = self.folder / "a"
        run(TRAINER, "init", "--preset", "tiny", "--out", model, "--seed", 1)
        before = bytes_of(model)
        command = [TRAINER, "init", "--preset", "tiny", "--out", str(model), "--seed", "2"]
        refused = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(refused.returncode, 78)
        self.assertIn("--force", refused.stderr)
        self.assertEqual(bytes_of(model), before)
        run(*command, "--force")
        self.assertNotEqual(bytes_of(model), before)

    def test_init_follows_the_configuration_of_another_folder(self):
        model, copy = self.folder / "a", self.folder / "b"
        run(TRAINER, "init", "--preset", "tiny", "--out", model, "--seed", 1)
        run(TRAINER, "init", "--config", model, "--out", copy, "--seed", 1)
        self.assertEqual(bytes_of(model), bytes_of(copy))


class FullSize(unittest.TestCase):
    """SDXL's tensors by name and shape; neither side allocates one."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory(prefix="sarsweep-models-") as folder:
            model = pathlib.Path(folder) / "tiny"
            run(TRAINER, "init", "--preset", "tiny", "--out", model, "--seed", 1)
            cls.modules = cls.reference_modules(lambda part: json.loads((model / part / "config.json").read_text()))

    def ours(self, *flags):
        """{part: {name: shape}} of what forward_dump lists."""
        parts = {}
        for line in run(FORWARD_DUMP, *flags).splitlines():
            part, name, shape = line.split(" ")
            parts.setdefault(part, {})[name] = tuple(int(size) for size in shape.split(",") if size)
        return parts

    def reference_shapes(self):
        rename = lambda part, name: text_name(name) if part.startswith("text") else name
        return {part: {rename(part, name): tuple(p.shape) for name, p in module.named_parameters()}
                for part, module in self.modules.items()}

    def test_names_and_shapes_are_those_of_diffusers(self):
        ours, reference = self.ours("--shapes", "sdxl"), self.reference_shapes()
        for part, (tensors, parameters) in {"unet": (1680, 2_567_463_684), "vae": (248, 83_653_863),
                                            "text_encoder": (196, 123_060_480),
                                            "text_encoder_2": (517, 694_659_840)}.items():
            self.assertEqual(ours[part], reference[part], part)
            self.assertEqual(len(ours[part]), tensors, part)
            self.assertEqual(sum(torch.Size(s).numel() for s in ours[part].values()), parameters, part)

    def test_a_single_file_becomes_diffusers_tensors(self):
        """diffusers' own conversion of a file with our names and shapes finds every tensor of its models."""
        ours = self.ours("--single-file", "sdxl")["single_file"]
        self.assertEqual(len(ours), 2515)
        count = lambda prefix: sum(name.startswith(prefix) for name in ours)
        self.assertEqual([count("model.diffusion_model."), count("conditioner.embedders.0."),
                          count("conditioner.embedders.1."), count("first_stage_model.")], [1680, 197, 390, 248])
        file = {name: torch.empty(shape, device="meta") for name, shape in ours.items()}
        unet, vae, second = (self.modules[part] for part in ("unet", "vae", "text_encoder_2"))
        found = {
            "unet": single_file_utils.convert_ldm_unet_checkpoint(dict(file), unet.config),
            "vae": single_file_utils.convert_ldm_vae_checkpoint(dict(file), vae.config),
            "text_encoder": single_file_utils.convert_ldm_clip_checkpoint(dict(file)),
            "text_encoder_2": single_file_utils.convert_open_clip_checkpoint(
                second, dict(file), prefix="conditioner.embedders.1.model.")}
        found["text_encoder"].pop("text_model.embeddings.position_ids")
        for part, reference in self.reference_shapes().items():
            shapes = {name: tuple(value.shape) for name, value in found[part].items()}
            self.assertEqual(shapes, reference, part)

    def test_adapters_are_those_of_peft(self):
        for targets, chosen, millions in (
                ("attn", r".*(to_q|to_k|to_v|to_out\.0)", 371.6),
                ("attn_conv", r".*(to_q|to_k|to_v|to_out\.0|resnets\.\d\.conv[12])", 455.3),
                ("attn_ff", r".*(to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2)", 669.8),
                ("transformer", r".*attentions.*(proj_in|proj_out|to_q|to_k|to_v|to_out\.0|ff\.net\.0\.proj|ff\.net\.2)",
                 680.9),
                ("transformer_conv", r".*(attentions|resnets|samplers).*(proj_in|proj_out|to_q|to_k|to_v|to_out\.0|"
                 r"ff\.net\.0\.proj|ff\.net\.2|conv|conv1|conv2|conv_shortcut|time_emb_proj)", 787.0)):
            ours = self.ours("--adapters", "sdxl", targets, 256)["unet"]
            unet = copy.deepcopy(self.modules["unet"])
            with torch.device("meta"):
                inject_adapter_in_model(LoraConfig(r=256, target_modules=chosen), unet)
            reference = {name.replace(".default", ""): tuple(p.shape) for name, p in unet.named_parameters()
                         if ".lora_" in name}
            self.assertEqual(ours, reference, targets)
            total = sum(torch.Size(shape).numel() for shape in ours.values())
            self.assertEqual(round(total / 1e6, 1), millions, targets)

    @staticmethod
    def reference_modules(document):
        """Of SDXL base 1.0, from the sizes in its published config files."""
        unet = document("unet") | {
            "block_out_channels": [320, 640, 1280], "attention_head_dim": [5, 10, 20],
            "transformer_layers_per_block": [1, 2, 10], "cross_attention_dim": 2048,
            "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
            "norm_num_groups": 32, "sample_size": 128}
        vae = document("vae") | {"block_out_channels": [128, 256, 512, 512], "norm_num_groups": 32,
                                 "sample_size": 1024}
        clip = lambda hidden, layers, heads: CLIPTextConfig(
            hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
            intermediate_size=4 * hidden, projection_dim=hidden)
        with torch.device("meta"):
            return {"unet": UNet2DConditionModel.from_config(unet), "vae": AutoencoderKL.from_config(vae),
                    "text_encoder": CLIPTextModel(clip(768, 12, 12)),
                    "text_encoder_2": CLIPTextModelWithProjection(clip(1280, 32, 20))}


if __name__ == "__main__":
    torch.set_num_threads(1)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
