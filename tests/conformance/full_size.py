"""SDXL at its real size with random weights, beside diffusers.

full_size.py TRAINER FORWARD_DUMP; one line of results on stdout, exit 1 and the reason where something does not hold.

A folder of fp16 weights is made and loaded, and every part runs forward once for a picture of 256 x 256, computing in
fp32: max|a - b| <= 1e-3 max|b| against diffusers and transformers in fp32 on the same weights. Then one update with
LoRA of the paper's ranks (arXiv 2506.13307: UNet 256, text encoders 8) in at most 20 GB, whose loss must be the one
that the referee's forward pass gives. Every step is a process of its own, so that only one model is in memory.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

SIDE, LATENT_SIDE, TIMESTEP, NOISE_OFFSET = 256, 32, 500, 0.035
TOLERANCE, MOST_BYTES = 1e-3, 20e9
FREE_MEMORY, FREE_DISK = 18e9, 25e9
LORA = {"unet": {"mode": "lora", "rank": 256, "alpha": 128, "targets": "attn", "lr": 1e-4},
        "text_encoder_1": {"mode": "lora", "rank": 8, "alpha": 4, "targets": "attn", "lr": 1e-4},
        "text_encoder_2": {"mode": "lora", "rank": 8, "alpha": 4, "targets": "attn", "lr": 1e-4}}


def require(condition, message):
    if not condition:
        print(message)
        sys.exit(1)


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(*command):
    """Seconds and the greatest resident memory in bytes, by the kernel's count (never below this script's own)."""
    command = [str(part) for part in command]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    require(process.returncode == 0, f"{' '.join(command)}: exit {process.returncode}")
    peak = usage.ru_maxrss * 1024
    say(f"{time.monotonic() - start:6.0f} s  {peak / 1e9:5.2f} GB at most: {' '.join(command)}")
    return peak


# The referee: one part a process.

def noisy_latents(data):
    """With diffusers' schedule in fp64: scaled linear betas from 0.00085 to 0.012."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alpha_bar = (1 - betas).cumprod(0)[data["timesteps"]].float().view(-1, 1, 1, 1)
    return alpha_bar.sqrt() * data["latents"] + (1 - alpha_bar).sqrt() * target_noise(data)


def target_noise(data):
    return data["noise"] + NOISE_OFFSET * data["offset_noise"]


def refer_text_encoder(folder, data):
    model = CLIPTextModel.from_pretrained(folder, torch_dtype=torch.float32)
    return {"text_hidden": model(data["input_ids"], output_hidden_states=True).hidden_states[-2]}


def refer_text_encoder_2(folder, data):
    model = CLIPTextModelWithProjection.from_pretrained(folder, torch_dtype=torch.float32)
    out = model(data["input_ids_2"], output_hidden_states=True)
    return {"text_hidden_2": out.hidden_states[-2], "text_pooled_2": out.text_embeds}


def refer_vae(folder, data):
    model = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)
    return {"vae_mean": model.encode(data["pixels"]).latent_dist.mean,
            "vae_decoded": model.decode(data["latents"]).sample}


def refer_unet(folder, data):
    model = UNet2DConditionModel.from_pretrained(folder, torch_dtype=torch.float32)
    conditions = {"text_embeds": data["text_pooled_2"], "time_ids": data["time_ids"]}
    context = torch.cat([data["text_hidden"], data["text_hidden_2"]], -1)
    return {"unet": model(noisy_latents(data), data["timesteps"], context, added_cond_kwargs=conditions).sample}


REFEREES = {"text_encoder": refer_text_encoder, "text_encoder_2": refer_text_encoder_2, "vae": refer_vae,
            "unet": refer_unet}


def refer(part, model, inputs, output):
    """The later parts read what the earlier ones gave."""
    with torch.no_grad():
        results = REFEREES[part](pathlib.Path(model) / part, load_file(inputs))
    save_file({name: value.contiguous() for name, value in results.items()}, output)


def make_inputs():
    draw = torch.Generator().manual_seed(7)
    normal = lambda *shape: torch.randn(*shape, generator=draw)
    ids = torch.full((1, 77), 49407)
    ids[0, 0] = 49406
    ids[0, 1:13] = torch.randint(300, 40000, (12,), generator=draw)
    return {"latents": normal(1, 4, LATENT_SIDE, LATENT_SIDE), "noise": normal(1, 4, LATENT_SIDE, LATENT_SIDE),
            "offset_noise": normal(1, 4, 1, 1), "timesteps": torch.tensor([TIMESTEP]), "input_ids": ids,
            "input_ids_2": ids.clone(), "pixels": normal(1, 3, SIDE, SIDE).clamp(-1, 1),
            "time_ids": torch.tensor([[SIDE, SIDE, 0.0, 0, SIDE, SIDE]])}


class FullSize:
    def __init__(self, trainer, forward_dump, folder):
        self.trainer, self.forward_dump, self.folder = trainer, forward_dump, folder
        self.model, self.data, self.reference = folder / "model", make_inputs(), {}

    def make_model(self):
        wide = self.folder / "fp32"
        peak = run(self.trainer, "init", "--preset", "sdxl", "--out", wide, "--seed", 1)
        narrow = run(self.trainer, "convert", "--from", wide, "--to", self.model, "--format", "folder", "--dtype",
                     "fp16")
        shutil.rmtree(wide)
        return f"init {peak / 1e9:.1f} GB, convert {narrow / 1e9:.1f} GB"

    def refer(self):
        for part in REFEREES:
            save_file(self.data | self.reference, self.folder / "in.safetensors")
            # Loaded tensors are views of their file: each has its own.
            output = self.folder / f"{part}.safetensors"
            run(sys.executable, __file__, "--refer", part, self.model, self.folder / "in.safetensors", output)
            self.reference |= load_file(output)

    def compare_forward(self):
        data, reference = self.data, self.reference
        save_file({"sample": noisy_latents(data), "timesteps": data["timesteps"],
                   "context": torch.cat([reference["text_hidden"], reference["text_hidden_2"]], -1),
                   "pooled": reference["text_pooled_2"], "time_ids": data["time_ids"], "pixels": data["pixels"],
                   "latents": data["latents"], "ids": data["input_ids"], "ids_2": data["input_ids_2"]},
                  self.folder / "in.safetensors")
        peak = run(self.forward_dump, "--forward", self.model, self.folder / "in.safetensors",
                   self.folder / "ours.safetensors")
        ours = load_file(self.folder / "ours.safetensors")
        errors = {name: ((ours[name] - theirs).abs().max() / theirs.abs().max()).item()
                  for name, theirs in reference.items()}
        say(json.dumps(errors))
        worst = max(errors, key=errors.get)
        require(errors[worst] <= TOLERANCE, f"{worst} is {errors[worst]:.1e} from diffusers'")
        return (f"forward {peak / 1e9:.1f} GB, UNet {errors['unet']:.0e} and worst of {len(errors)} outputs "
                f"{errors[worst]:.0e} from diffusers'")

    def update(self):
        inputs = {name: self.data[name] for name in ("latents", "noise", "offset_noise", "timesteps", "input_ids",
                                                     "input_ids_2", "time_ids")}
        save_file(inputs, self.folder / "in.safetensors")
        train = {"steps": 1, "global_batch": 1, "micro_batch": 1, "noise_offset": NOISE_OFFSET}
        config = {"model": {"path": str(self.model)}, **LORA, "train": train}
        (self.folder / "run.json").write_text(json.dumps({"config": config}))
        peak = run(self.trainer, "replay", "--config", self.folder / "run.json", "--inputs",
                   self.folder / "in.safetensors", "--out", self.folder / "replay")
        self.check_update()
        require(peak <= MOST_BYTES, f"an update takes {peak / 1e9:.2f} GB, more than {MOST_BYTES / 1e9:.0f}")
        return f"LoRA update {peak / 1e9:.1f} GB"

    def check_update(self):
        """The loss is the referee's (fresh adapters change nothing), and every adapter learned something."""
        loss = json.loads((self.folder / "replay/losses.json").read_text())["updates"][0]["loss"]
        theirs = (self.reference["unet"] - target_noise(self.data)).square().mean().item()
        say(f"loss {loss:.6f}, by the referee's prediction {theirs:.6f}")
        require(abs(loss - theirs) <= TOLERANCE * theirs, f"the loss is {loss}, the referee's {theirs}")
        weights = load_file(self.folder / "replay/final.safetensors")
        # The first encoder's last layer comes after the hidden state that is used.
        idle = [name for name, value in weights.items() if name.endswith("lora_B.weight") and not value.any()
                and not name.startswith("text_encoder.text_model.encoder.layers.11.")]
        require(not idle, f"{len(idle)} adapters of {len(weights) // 2} did not change, such as {idle[:1]}")


def available_memory():
    with open("/proc/meminfo") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def main(trainer, forward_dump):
    build = pathlib.Path(trainer).resolve().parents[2]
    require(available_memory() >= FREE_MEMORY, f"less than {FREE_MEMORY / 1e9:.0f} GB of memory are free")
    require(shutil.disk_usage(build).free >= FREE_DISK, f"less than {FREE_DISK / 1e9:.0f} GB of disk are free")
    with tempfile.TemporaryDirectory(prefix="full-size-", dir=build) as folder:
        case = FullSize(trainer, forward_dump, pathlib.Path(folder))
        results = [case.make_model()]
        case.refer()
        results += [case.compare_forward(), case.update()]
    print("; ".join(results))


if __name__ == "__main__":
    refer(*sys.argv[2:]) if sys.argv[1] == "--refer" else main(*sys.argv[1:])
