"""Compares the trainer's sampling with diffusers'.

usage: sampling_referee.py latents FOLDER OURS.safetensors CASES.json
       sampling_referee.py timesteps PLANS.json
       sampling_referee.py tiles FOLDER OURS.safetensors

`latents`: each case {"name", "sampler", "spacing", "prediction", "cfg", "negative", "force_zeros", "prompts", "steps",
"strength"} against StableDiffusionXLPipeline, or with a strength against the img2img pipeline on "pixels"; both get the
random numbers "noise", "step_noise", "posterior_noise" of the file. With "force_zeros" null the folder decides. `timesteps`: rows [sampler, spacing, steps,
timesteps or null where refused]. `tiles`: the autoencoder with tiling. Agreement means max|a - b| <= 1e-5 max|b|; timesteps are equal.
"""

import json
import sys
import warnings

import diffusers
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from safetensors.torch import load_file

SAMPLERS = {
    "euler": EulerDiscreteScheduler,
    "ddim": DDIMScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
    "ddpm": DDPMScheduler,
}
SDXL = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, num_train_timesteps=1000)
TOLERANCE = 1e-5


def agreement(name, ours, theirs):
    if ours.shape != theirs.shape:
        print(f"{name}: shape {list(ours.shape)} instead of {list(theirs.shape)}")
        return False
    error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    print(f"{name}: {error:.2e}")
    return error <= TOLERANCE


def supply_noise(module, noises):
    """Whoever asks `module` for normal numbers gets the next of `noises`."""
    rows = iter(noises)
    module.randn_tensor = lambda shape, **_: next(rows).reshape(shape).clone()


def of_a_case(pipe, ours, case):
    changes = {"timestep_spacing": case["spacing"], "prediction_type": case["prediction"]}
    pipe.scheduler = SAMPLERS[case["sampler"]].from_config(pipe.scheduler.config, **changes)
    if case["force_zeros"] is not None:
        pipe.register_to_config(force_zeros_for_empty_prompt=case["force_zeros"])
    supply_noise(diffusers.schedulers.scheduling_ddpm, ours["step_noise"])
    asked = dict(prompt=case["prompts"], num_inference_steps=case["steps"], guidance_scale=case["cfg"],
                 negative_prompt=[case["negative"]] * len(case["prompts"]) if case["negative"] else None,
                 output_type="latent")
    if case["strength"] is None:
        height, width = (side * pipe.vae_scale_factor for side in ours["noise"].shape[-2:])
        return pipe(latents=ours["noise"].clone(), height=height, width=width, **asked).images
    again = StableDiffusionXLImg2ImgPipeline(**pipe.components, force_zeros_for_empty_prompt=case["force_zeros"],
                                             add_watermarker=False)
    again.set_progress_bar_config(disable=True)
    supply_noise(diffusers.models.autoencoders.vae, [ours["posterior_noise"]])
    supply_noise(diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl_img2img, [ours["noise"]])
    return again(image=(ours["pixels"] + 1) / 2, strength=case["strength"], **asked).images


def latents(folder, ours_file, cases_file):
    pipe, ours = pipeline(folder), load_file(ours_file)
    with open(cases_file) as file:
        return all([agreement(case["name"], ours[case["name"]], of_a_case(pipe, ours, case)) for case in json.load(file)])


def timesteps(plans_file):
    with open(plans_file) as file:
        plans = json.load(file)
    good = len(plans) > 0
    for sampler, spacing, steps, ours in plans:
        scheduler = SAMPLERS[sampler](timestep_spacing=spacing, **SDXL)
        scheduler.set_timesteps(steps)
        # numpy.arange, which spaces "trailing", rounds to one timestep more for some counts: the one below 0.
        theirs = [t for t in scheduler.timesteps.tolist() if t >= 0]
        usable = theirs[0] <= 999 and all(a > b for a, b in zip(theirs, theirs[1:]))
        if (theirs if usable else None) != ours:
            print(f"{sampler} {spacing} {steps}: {ours} instead of {theirs}")
            good = False
    print(f"{len(plans)} plans")
    return good


def tiles(folder, ours_file):
    vae, ours = AutoencoderKL.from_pretrained(folder, subfolder="vae", local_files_only=True), load_file(ours_file)
    vae.enable_tiling()
    with torch.no_grad():
        decoded = vae.decode(ours["latents"]).sample
        encoded = vae.encode(ours["pixels"]).latent_dist
    checks = {"decoded": decoded, "mean": encoded.mean, "log_variance": encoded.logvar}
    return all([agreement(name, ours[name], value) for name, value in checks.items()])


def pipeline(folder):
    pipe = StableDiffusionXLPipeline.from_pretrained(folder, local_files_only=True, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def main():
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    action, *arguments = sys.argv[1:]
    check = {"latents": latents, "timesteps": timesteps, "tiles": tiles}[action]
    sys.exit(0 if check(*arguments) else 1)


if __name__ == "__main__":
    main()
