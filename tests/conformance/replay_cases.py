"""What replay_test.py compares: setups of every kind of training, their inputs, and in which of them each
deliberate mistake of the referee has to show."""

import itertools

import torch

FROZEN = {"mode": "frozen"}
SIDE, LATENT_SIDE = 64, 8
TOKEN_ID, BOS, EOS = 49408, 49406, 49407


def full(lr=1e-3):
    return {"mode": "full", "lr": lr}


def lora(rank, alpha, targets="attn", lr=1e-3):
    return {"mode": "lora", "lr": lr, "rank": rank, "alpha": alpha, "targets": targets}


def decoder(lr=2e-4, **options):
    return {"mode": "decoder", "lr": lr, "rayleigh_weight": 1.0, "histogram_weight": 1.0, "histogram_bins": 32,
            "t_max": 150, **options}


def token(count, lr=1e-2, start="given"):
    return {"count": count, "lr": lr, "start": start}


def vae_job(**options):
    return {"mode": "full", "lr": 1e-3, "kl_weight": 1e-3, "histogram_bins": 32, **options}


def case(unet=FROZEN, text_encoder=FROZEN, text_encoder_2=FROZEN, vae=FROZEN, token=None, rows=12, **others):
    """`others`: job, stretch, pool, dropped, pixels, late (share of timesteps below 150), epoch (images of one; None:
    all rows), and fields of `train`."""
    setup = {"unet": unet, "text_encoder": text_encoder, "text_encoder_2": text_encoder_2, "vae": vae, "token": token,
             "rows": rows, "job": "diffusion", "stretch": "mean3sigma", "dropped": False, "pixels": False, "late": None,
             "epoch": None}
    setup.update({name: others.pop(name) for name in [*setup, "pool"] if name in others})
    setup["train"] = {"steps": 3, "global_batch": 4, "micro_batch": 4, "tail": "flush", "noise_offset": 0.0,
                      "clip_norm": 1.0, **others}
    return setup


CASES = {
    "networks": {
        "unet_full": case(unet=full()),
        "unet_lora_attn": case(unet=lora(4, 2.0)),
        "unet_lora_attn_ff": case(unet=lora(2, 3.0, "attn_ff")),
        "unet_lora_attn_conv": case(unet=lora(3, 1.5, "attn_conv")),
        "unet_lora_transformer": case(unet=lora(4, 2.0, "transformer")),
        "unet_lora_transformer_conv": case(unet=lora(3, 6.0, "transformer_conv"), noise_offset=0.035),
        "text_lora_different_ranks": case(text_encoder=lora(4, 2.0), text_encoder_2=lora(8, 12.0, "attn_mlp")),
        "text_full": case(text_encoder=full(), text_encoder_2=full(5e-4)),
        "everything_with_offset_accumulated": case(
            unet=full(5e-4), text_encoder=lora(2, 1.0), text_encoder_2=full(2e-4), micro_batch=2,
            noise_offset=0.1, clip_norm=0.5),
    },
    "schedules": {
        "short_tail_flushed": case(unet=lora(4, 4.0), rows=11, epoch=7, micro_batch=2),
        "short_tail_dropped": case(unet=lora(4, 4.0), rows=11, micro_batch=2, tail="drop"),
        "short_tail_carried": case(unet=lora(4, 4.0), rows=12, epoch=7, micro_batch=2, tail="carry"),
        "warmup_then_cosine": case(unet=full(), rows=24, steps=6, schedule="cosine", warmup=2),
        "warmup_then_linear": case(unet=lora(4, 2.0), rows=24, steps=6, schedule="linear", warmup=1),
        "averaged_weights": case(unet=lora(4, 2.0), text_encoder=lora(2, 2.0), ema_decay=0.3),
        "min_snr": case(unet=lora(4, 2.0), min_snr_gamma=5.0, clip_norm=1e9, late=0.5),
        "velocity": case(unet=full(), prediction="v", noise_offset=0.05),
        "velocity_min_snr": case(unet=lora(4, 2.0), prediction="v", min_snr_gamma=5.0, clip_norm=1e9, late=0.5),
    },
    "inputs": {
        "caption_dropout_empty": case(unet=lora(4, 2.0), text_encoder=lora(2, 2.0), dropped=True),
        "caption_dropout_zeros": case(unet=full(), text_encoder_2=full(), dropped=True, uncond_zeros=True),
        "latents_drawn": case(unet=lora(4, 2.0), pixels=True),
        "latents_mean": case(unet=lora(4, 2.0), pixels=True, latents="mean"),
    },
    "decoder": {
        "decoder_alone": case(vae=decoder(), late=0.7),
        "decoder_alone_literal_log": case(vae=decoder(rayleigh="literal"), stretch="log", late=0.7),
        "decoder_anchored_sqrt": case(vae=decoder(histogram_weight=0.0, anchor_weight=2.0), stretch="sqrt", late=0.7),
        "decoder_alone_window_pixels": case(vae=decoder(t_max=400), stretch={"lo": 0.02, "hi": 0.8}, pixels=True),
        "decoder_beside_lora": case(unet=lora(4, 2.0), vae=decoder(), late=0.5, micro_batch=2),
        "decoder_beside_full_clipped_together": case(unet=full(5e-4), vae=decoder(), clip_scope="global", late=0.5,
                                                     clip_norm=0.5),
        "decoder_gradient_kept": case(unet=full(5e-4), vae=decoder(gradient="decoder_only"), late=0.5),
        "decoder_without_late_samples": case(unet=lora(2, 2.0), vae=decoder(), late=0.0, rows=8),
        "decoder_spectral": case(unet=lora(2, 2.0), vae=decoder(spectrum_weight=1.0), late=0.5),
        "decoder_velocity": case(unet=lora(2, 2.0), vae=decoder(), prediction="v", late=0.5),
    },
    "tokens": {
        "token_alone": case(token=token(1), noise_offset=0.035),
        "token_from_the_mean": case(token=token(1, start="mean"), unet=lora(2, 2.0)),
        "two_tokens_and_full_text": case(token=token(2), text_encoder=full(5e-4), text_encoder_2=full(5e-4)),
        "token_pooled_at_the_greatest_id": case(token=token(1), text_encoder_2=lora(4, 2.0), pool="hf_argmax"),
    },
    "paper": {  # arXiv 2506.13307: its combinations, at the tiny model's size and faster
        "full_unet_text_lora": case(unet=full(5e-5), text_encoder=lora(8, 4.0, lr=4e-5),
                                    text_encoder_2=lora(8, 4.0, lr=4e-5), noise_offset=0.035, micro_batch=2),
        "all_lora_rank_twice_alpha": case(unet=lora(16, 8.0, lr=5e-5), text_encoder=lora(8, 4.0, lr=4e-5),
                                          text_encoder_2=lora(8, 4.0, lr=4e-5), noise_offset=0.035),
        "joint_last_phase": case(unet=full(5e-5), text_encoder=lora(8, 4.0, lr=4e-5),
                                 text_encoder_2=lora(8, 4.0, lr=4e-5), vae=decoder(1e-5), token=token(1, lr=4e-5),
                                 noise_offset=0.035, late=0.375, micro_batch=2),
        "decoder_and_token_refined_after": case(vae=decoder(1e-4), token=token(1), noise_offset=0.035, late=0.5),
    },
    "bf16": {
        "bf16_full": case(unet=full(1e-4), text_encoder=full(1e-4), micro_batch=2, precision="bf16"),
        "bf16_lora_refined": case(unet=lora(4, 2.0), text_encoder_2=lora(4, 4.0), vae=decoder(), token=token(1),
                                  late=0.5, precision="bf16"),
        "bf16_conv_lora_averaged": case(
            unet=lora(2, 3.0, "transformer_conv"), text_encoder_2=full(1e-4), rows=11, epoch=7, dropped=True,
            uncond_zeros=True, min_snr_gamma=5.0, prediction="v", ema_decay=0.3, gradient_checkpointing="block",
            precision="bf16"),
        "bf16_decoder_averaged": case(
            unet=full(1e-4), text_encoder=lora(4, 2.0), vae=decoder(gradient="decoder_only"), pixels=True, late=0.5,
            rows=8, dropped=True, micro_batch=2, noise_offset=0.05, ema_decay=0.3, precision="bf16",
            betas=[0.8, 0.95], eps=1e-5, weight_decay=0.1),
    },
    "vae": {
        "vae_job": case(job="vae", vae=vae_job(), micro_batch=2),
        "vae_job_refined": case(job="vae", vae=vae_job(rayleigh_weight=0.5, histogram_weight=0.25, spectrum_weight=0.5),
                                rows=8),
    },
}
# What is right alone may be wrong together: every two values of two columns meet in a row of PAIRS.
COLUMNS = {
    "unet": "frozen full lora conv", "text_encoder": "frozen full lora", "text_encoder_2": "frozen full lora",
    "token": "no yes", "decoder": "no joint decoder_only", "ema_decay": "no yes", "min_snr_gamma": "no yes",
    "prediction": "epsilon v", "dropped": "no empty zeros", "tail": "flush carry drop", "adamw": "default own",
    "micro_batch": "whole split", "gradient_checkpointing": "kept again", "latents": "given drawn mean",
    "noise_offset": "no yes"}
PAIRS = """
    frozen full   full   no  decoder_only no  yes v       zeros flush default split kept  mean  yes
    conv   frozen lora   yes no           no  no  epsilon no    drop  own     whole again given no
    lora   lora   frozen yes joint        yes yes v       empty carry own     whole again drawn yes
    full   frozen frozen no  joint        yes no  epsilon empty carry default split kept  mean  no
    conv   lora   lora   no  no           yes yes v       no    drop  default split kept  drawn yes
    full   full   full   yes decoder_only yes no  epsilon zeros flush own     whole again drawn no
    lora   lora   full   no  joint        no  no  epsilon no    flush own     split kept  given yes
    frozen full   frozen yes no           no  no  v       empty carry default split again given no
    frozen lora   lora   no  joint        yes yes epsilon zeros drop  own     whole again mean  no
    lora   frozen lora   yes decoder_only yes yes v       zeros carry default whole kept  given yes
    full   lora   frozen yes decoder_only no  yes v       no    drop  default split kept  mean  yes
    lora   full   full   yes no           yes no  v       empty drop  own     whole kept  mean  no
    conv   frozen lora   no  decoder_only no  yes epsilon empty flush default whole again drawn no
    conv   full   full   yes joint        yes no  v       no    carry default split again mean  no
    conv   frozen frozen yes no           no  no  epsilon zeros flush own     whole again drawn yes
    full   full   lora   no  no           no  no  epsilon zeros flush own     whole again given no
    frozen frozen full   yes joint        no  no  v       no    carry default split kept  drawn yes
""".strip().splitlines()
OWN_ADAMW = [{"betas": [0.8, 0.95], "eps": 1e-5, "weight_decay": 0.1}, {"betas": [0.5, 0.9], "weight_decay": 0.0},
             {"betas": [0.0, 0.99], "eps": 1e-3}, {"betas": [0.95, 0.999], "eps": 1e-4, "weight_decay": 0.3}]
NETWORKS = {"frozen": FROZEN, "full": full(5e-4), "lora": lora(4, 2.0), "conv": lora(2, 3.0, "transformer_conv")}
# In epochs of seven images updates take 4 3 4 of them; 4 4 4, the second from two epochs; 4 and 4 of the next.
TAIL_ROWS = {"flush": 11, "carry": 12, "drop": 8}


def pair_case(number, values):
    row = dict(zip(COLUMNS, values))
    networks = {part: NETWORKS[row[part]] for part in ("unet", "text_encoder", "text_encoder_2")}
    own = {"own": OWN_ADAMW[number % len(OWN_ADAMW)], "default": {}}[row["adamw"]]
    refined = {"no": FROZEN, "joint": decoder(), "decoder_only": decoder(gradient="decoder_only")}[row["decoder"]]
    options = {name: value for name, value in {"ema_decay": 0.3, "min_snr_gamma": 5.0}.items() if row[name] == "yes"}
    if row["latents"] == "mean":
        options["latents"] = "mean"
    return case(**networks, **options, **own, vae=refined, token=token(1) if row["token"] == "yes" else None,
                rows=TAIL_ROWS[row["tail"]], epoch=7, tail=row["tail"], pixels=row["latents"] != "given", late=0.5,
                prediction=row["prediction"], dropped=row["dropped"] != "no", uncond_zeros=row["dropped"] == "zeros",
                micro_batch={"whole": 4, "split": 2}[row["micro_batch"]],
                gradient_checkpointing={"kept": "none", "again": "block"}[row["gradient_checkpointing"]],
                noise_offset=0.05 if row["noise_offset"] == "yes" else 0.0)


def strangers():
    """Values of two columns that meet in no row."""
    cells = [[(column, value) for value in values.split()] for column, values in COLUMNS.items()]
    wanted = {pair for a, b in itertools.combinations(cells, 2) for pair in itertools.product(a, b)}
    return wanted - {pair for row in PAIRS for pair in itertools.combinations(zip(COLUMNS, row.split()), 2)}


CASES["pairs"] = {f"pair_{number}": pair_case(number, row.split()) for number, row in enumerate(PAIRS)}
MUTANTS = {  # mistake -> case in which it must show
    "lora_scale": "unet_lora_attn",
    "offset_not_in_target": "everything_with_offset_accumulated",
    "bf16_alphas": "min_snr",
    "bf16_time_ids": "unet_full",
    "zero_filled_gradients": "text_full",
    "mean_of_micro_means": "short_tail_flushed",
    "tail_divided_by_the_batch": "short_tail_flushed",
    "warmup_starts_above_zero": "warmup_then_cosine",
    "average_before_the_update": "averaged_weights",
    "carried_tail_is_flushed": "short_tail_carried",
    "velocity_upside_down": "velocity",
    "min_snr_of_epsilon": "velocity_min_snr",
    "dropped_captions_are_encoded": "caption_dropout_zeros",
    "latents_are_means": "latents_drawn",
    "refined_with_the_true_noise": "decoder_alone",
    "decoded_without_scaling": "decoder_alone",
    "box_counts_padding": "decoder_alone",
    "histogram_without_half_a_count": "decoder_alone",
    "amplitude_clamped": "decoder_alone",
    "spectrum_over_three": "decoder_spectral",
    "refinement_averaged_over_late": "decoder_beside_lora",
    "clipped_together": "decoder_beside_lora",
    "refinement_weighted_by_min_snr": "pair_2",
    "decoder_is_not_averaged": "pair_2",
    "default_betas": "pair_8",
    "default_eps": "pair_11",
    "default_weight_decay": "pair_5",
    "decay_twice": "pair_11",
    "gradient_leaves_the_decoder": "decoder_gradient_kept",
    "decayed_token": "token_alone",
    "pool_at_added_token": "token_alone",
    "bf16_masters": "bf16_full",
    "kl_averaged": "vae_job",
}


def run_json(setup, folder):
    train = dict(setup["train"])
    config = {"job": setup["job"], "model": {"path": str(folder)}, "vae": setup["vae"],
              "data": {"stretch": setup["stretch"]}}
    if setup["job"] == "diffusion":
        config |= {"unet": setup["unet"], "text_encoder_1": setup["text_encoder"],
                   "text_encoder_2": setup["text_encoder_2"]}
    if train.pop("uncond_zeros", False):
        config["prompt"] = {"uncond": "zeros"}
    if setup["token"]:
        texts = " ".join(f"<T{i}>" for i in range(setup["token"]["count"]))
        config["token"] = {"text": texts, "train": True, "lr": setup["token"]["lr"]}
    if "pool" in setup:
        config["compat"] = {"pool": setup["pool"]}
    return {"config": {**config, "train": train}}


def metadata_of(setup):
    """What a recorded file says of its run, where the setup has epochs; 0: of its learning rate alone."""
    if setup["epoch"] is None:
        return None
    train = setup["train"]
    told = {"lr_schedule": train.get("schedule", "constant"), "lr_warmup": str(train.get("warmup", 0)),
            "lr_updates": str(train["steps"])}
    return told | ({"epoch_images": str(setup["epoch"])} if setup["epoch"] else {})


def draw_ids(draw, setup, pad):
    ids = torch.full((setup["rows"], 77), pad)
    for row in range(setup["rows"]):
        length = int(torch.randint(3, 70, (1,), generator=draw))
        ids[row, 0] = BOS
        ids[row, 1:length] = torch.randint(300, 40000, (length - 1,), generator=draw)
        ids[row, length] = EOS
        if setup["token"] and row % 4 != 3:  # also an image without the token
            ids[row, 2] = TOKEN_ID + row % setup["token"]["count"]
    return ids


def draw_pixels(draw, rows):
    """Speckle over scenes of two powers, somewhat saturated, three equal channels in [-1, 1]."""
    amplitude = torch.randn(rows, 2, SIDE, SIDE, generator=draw).norm(dim=1) * 0.15
    amplitude[:, 20:44, 16:48] *= 3
    return (amplitude.clamp(max=1) * 2 - 1).unsqueeze(1).repeat(1, 3, 1, 1)


def draw_timesteps(draw, setup):
    timesteps = torch.randint(0, 1000, (setup["rows"],), generator=draw)
    timesteps[:2] = torch.tensor([0, 999])
    if setup["late"] is None:
        return timesteps
    late = torch.rand(setup["rows"], generator=draw) < setup["late"]
    # The second update has no late sample: the decoder rests.
    late[4:8] = False
    return torch.where(late, timesteps % 150, timesteps.clamp(min=150))


def make_inputs(setup):
    draw = torch.Generator().manual_seed(20)
    rows = setup["rows"]
    normal = lambda *shape: torch.randn(*shape, generator=draw)
    latent = lambda: normal(rows, 4, LATENT_SIDE, LATENT_SIDE)
    inputs = {
        "latents": latent(), "noise": latent(), "offset_noise": normal(rows, 4, 1, 1),
        "timesteps": draw_timesteps(draw, setup),
        "input_ids": draw_ids(draw, setup, EOS), "input_ids_2": draw_ids(draw, setup, 0),
        "time_ids": torch.randint(0, 1500, (rows, 6), generator=draw).float(),
    }
    if setup["pixels"] or setup["vae"] is not FROZEN:
        inputs |= {"pixels": draw_pixels(draw, rows), "posterior_noise": latent()}
    if setup["pixels"]:
        del inputs["latents"]
    if setup["dropped"]:
        inputs["drop"] = (torch.arange(rows) % 3 == 1).to(torch.uint8)
    return inputs
