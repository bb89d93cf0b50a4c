"""The speed of the training step against diffusers: bench_referee.py TRAINER [--pairs N] [--threads N].

Each pair times sarsweep-trainer bench and then a diffusers UNet with torch's fused AdamW, in fp32 on
the same number of threads, cached latents and text. Prints a markdown table; judges nothing."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig

CASES = [("tiny", "full", 16, 30), ("tiny", "lora", 16, 30), ("small", "full", 32, 6),
         ("small", "lora", 32, 6)]
BATCH, RANK, WARMUP = 4, 4, 3


def ours(trainer, preset, mode, latents, updates, threads):
    command = [trainer, "bench", "--preset", preset, "--mode", mode, "--latents", str(latents),
               "--updates", str(updates), "--batch", str(BATCH), "--rank", str(RANK)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)["step_ms"]


class Diffusers:
    def __init__(self, folder, mode, latents):
        torch.manual_seed(0)
        self.unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet").train()
        if mode == "lora":
            self.unet.requires_grad_(False)
            targets = ["to_q", "to_k", "to_v", "to_out.0"]
            self.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK / 2, target_modules=targets))
        self.trained = [p for p in self.unet.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=5e-5, weight_decay=1e-2, fused=True)
        self.schedule = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        config = self.unet.config
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        self.latents = torch.randn(BATCH, 4, latents, latents)
        self.context = torch.randn(BATCH, 77, config.cross_attention_dim)
        self.conditions = {"text_embeds": torch.randn(BATCH, pooled),
                           "time_ids": torch.full((BATCH, 6), 8.0 * latents)}
        self.noise = torch.randn_like(self.latents)
        self.offset = torch.randn(BATCH, 4, 1, 1)
        self.timesteps = torch.randint(0, 1000, (BATCH,))

    def step(self):
        noise = self.noise + 0.035 * self.offset
        noisy = self.schedule.add_noise(self.latents, noise, self.timesteps)
        prediction = self.unet(noisy, self.timesteps, self.context,
                               added_cond_kwargs=self.conditions, return_dict=False)[0]
        loss = torch.nn.functional.mse_loss(prediction, noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def median_ms(self, updates):
        times = []
        for index in range(WARMUP + updates):
            start = time.perf_counter()
            self.step()
            if index >= WARMUP:
                times.append(1000 * (time.perf_counter() - start))
        return statistics.median(times)


def compare(trainer, folder, case, pairs, threads):
    preset, mode, latents, updates = case
    theirs = Diffusers(folder, mode, latents)
    mine, referee = [], []
    for _ in range(pairs):
        mine.append(ours(trainer, preset, mode, latents, updates, threads))
        referee.append(theirs.median_ms(updates))
    ratios = [b / a for a, b in zip(mine, referee)]
    a, b = statistics.median(mine), statistics.median(referee)
    return (f"| {preset} {mode} | {latents}² | {a:.1f} | {1000 * BATCH / a:.1f} | {b:.1f} | "
            f"{1000 * BATCH / b:.1f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) | {pairs} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trainer")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"fp32, batch {BATCH}, LoRA rank {RANK}, {options.threads} threads on {os.cpu_count()} cores, "
          f"torch {torch.__version__}; medians of pairs run in turn\n")
    print("| model | latents | ms a step | images/s | diffusers ms | diffusers images/s | "
          "ratio (range) | pairs |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for case in CASES:
            folder = pathlib.Path(scratch) / case[0]
            if not folder.exists():
                subprocess.run([options.trainer, "init", "--preset", case[0], "--out", folder, "--seed",
                                "0"], check=True)
            print(compare(options.trainer, folder, case, options.pairs, options.threads), flush=True)


if __name__ == "__main__":
    main()
