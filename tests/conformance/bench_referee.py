"""The speed of the training step against diffusers: bench_referee.py TRAINER [options].

A pair times `sarsweep-trainer bench` and a diffusers UNet with torch's fastest AdamW on the same number of threads,
with cached latents and text, optimizer and clipping included, one right after the other; the order alternates from
pair to pair. Told are the medians, and of the ratio the median with a lower bound: the order statistic that lies
below the true median with at least 95 % confidence, whatever the distribution (binomial; it needs 5 pairs).
Prints markdown; judges nothing."""

import argparse
import contextlib
import json
import math
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig

CASES = [("tiny", "full", 16, 30), ("tiny", "lora", 16, 30), ("small", "full", 32, 6), ("small", "lora", 32, 6)]
BATCH, RANK, WARMUP = 4, 4, 3
OPTIMIZERS = {"fused": {"fused": True}, "foreach": {"foreach": True}, "for-loop": {"foreach": False}}
PROFILE_ROWS = 12


def ours(trainer, case, precision, threads, *more):
    preset, mode, latents, updates = case
    command = [trainer, "bench", "--preset", preset, "--mode", mode, "--latents", str(latents), "--updates",
               str(updates), "--batch", str(BATCH), "--rank", str(RANK), "--precision", precision, *more]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)


class Diffusers:
    """One update of a plain loop, again and again."""

    def __init__(self, folder, mode, latents, precision="fp32", compiled=False):
        torch.manual_seed(0)
        self.unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet").train()
        if mode == "lora":
            self.unet.requires_grad_(False)
            targets = ["to_q", "to_k", "to_v", "to_out.0"]
            self.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK / 2, target_modules=targets))
        self.trained = [p for p in self.unet.parameters() if p.requires_grad]
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
        self.forward = torch.compile(self.unet) if compiled else self.unet
        self.autocast = (lambda: torch.autocast("cpu", torch.bfloat16)) if precision == "bf16" else contextlib.nullcontext
        self.optimizer_name = self.choose_optimizer()

    def choose_optimizer(self):
        """The fastest AdamW on this model's gradients."""
        self.use("fused")
        self.step(keep_gradients=True)
        times = {}
        for name in OPTIMIZERS:
            self.use(name)
            times[name] = min(timed(self.optimizer.step) for _ in range(4))
        self.use(min(times, key=times.get))
        self.optimizer.zero_grad(set_to_none=True)
        return min(times, key=times.get)

    def use(self, name):
        self.optimizer = torch.optim.AdamW(self.trained, lr=5e-5, weight_decay=1e-2, **OPTIMIZERS[name])

    def step(self, keep_gradients=False):
        noise = self.noise + 0.035 * self.offset
        noisy = self.schedule.add_noise(self.latents, noise, self.timesteps)
        with self.autocast():
            prediction = self.forward(noisy, self.timesteps, self.context, added_cond_kwargs=self.conditions,
                                      return_dict=False)[0]
        loss = torch.nn.functional.mse_loss(prediction.float(), noise)
        loss.backward()
        if keep_gradients:
            return
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        loss.item()

    def median_ms(self, updates):
        times = [timed(self.step) for _ in range(WARMUP + updates)]
        return statistics.median(times[WARMUP:])


def timed(call):
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def lower_bound(values):
    """The largest order statistic below the median with 95 % confidence; None if there are too few values."""
    values, bound, below = sorted(values), None, 0.0
    for rank, value in enumerate(values):
        below += math.comb(len(values), rank) / 2 ** len(values)
        if below > 0.05:
            break
        bound = value
    return bound


def compare(trainer, folder, case, options, precision, compiled):
    theirs = Diffusers(folder, case[1], case[2], precision, compiled)
    if compiled:
        theirs.step()  # compiles
    mine, referee = [], []
    for pair in range(options.pairs):
        sides = [lambda: mine.append(ours(trainer, case, precision, options.threads)["step_ms"]),
                 lambda: referee.append(theirs.median_ms(case[3]))]
        for side in sides if pair % 2 == 0 else reversed(sides):
            side()
    ratios = [b / a for a, b in zip(mine, referee)]
    a, b, bound = statistics.median(mine), statistics.median(referee), lower_bound(ratios)
    against = f"diffusers{', torch.compile' if compiled else ''}, {theirs.optimizer_name} AdamW"
    return (f"| {case[0]} {case[1]} | {precision} | {a:.1f} | {1000 * BATCH / a:.1f} | {against} | {b:.1f} | "
            f"{statistics.median(ratios):.2f} | {'none' if bound is None else format(bound, '.2f')} | "
            f"{min(ratios):.2f} to {max(ratios):.2f} | {options.pairs} |")


def profile(trainer, case, threads):
    told = ours(trainer, case, "fp32", threads, "--profile")
    whole = sum(row["ms"] for row in told["profile"])
    print(f"\n{case[0]} {case[1]}: {whole:.1f} ms in operators of {told['step_ms']:.1f} ms an update\n\n"
          "| operator | calls | ms | share |\n| --- | --- | --- | --- |")
    for row in told["profile"][:PROFILE_ROWS]:
        print(f"| `{row['op']}` | {row['calls']:.0f} | {row['ms']:.1f} | {100 * row['ms'] / whole:.0f} % |")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trainer")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--case", action="append", choices=[f"{c[0]}-{c[1]}" for c in CASES], help="default: all")
    parser.add_argument("--against", action="append", choices=["eager", "compile", "bf16"], help="default: all three")
    parser.add_argument("--profile", action="store_true", help="also where our time goes")
    return parser.parse_args()


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    print(f"Batch {BATCH}, LoRA rank {RANK}, {options.threads} threads on {os.cpu_count()} cores, torch "
          f"{torch.__version__}; medians; pairs run in turn, ours and theirs first by turns.\n")
    print("| model | type | ms a step | images/s | against | ms a step | ratio | 95 % bound | range | pairs |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    cases = [case for case in CASES if not options.case or f"{case[0]}-{case[1]}" in options.case]
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for case in cases:
            folder = pathlib.Path(scratch) / case[0]
            if not folder.exists():
                subprocess.run([options.trainer, "init", "--preset", case[0], "--out", folder, "--seed", "0"],
                               check=True, stdout=subprocess.DEVNULL)
            for kind in options.against or ["eager", "compile", "bf16"]:
                print(compare(options.trainer, folder, case, options, "bf16" if kind == "bf16" else "fp32",
                              kind == "compile"), flush=True)
    if options.profile:
        for case in cases:
            profile(options.trainer, case, options.threads)


if __name__ == "__main__":
    main()
