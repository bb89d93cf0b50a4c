"""Counts the operations of a UNet's forward pass with torch's own counter.

usage: flops_referee.py CASES.json

CASES.json: [{"config": the UNet's config.json, "side": of the latents, "targets": of LoRA or null, "rank", "network":
ours without adapters, "adapters": ours of them}, …]. Agreement means equality.
"""

import json
import sys

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from peft import LoraConfig
from torch.utils.flop_counter import FlopCounterMode

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TRANSFORMER = [*ATTENTION, "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]
TARGETS = {"attn": ATTENTION, "transformer": TRANSFORMER,
           "transformer_conv": [*TRANSFORMER, "conv1", "conv2", "conv_shortcut", "time_emb_proj", "conv"]}


def forward_flops(unet, config, side):
    sizes = 6 * config["addition_time_embed_dim"]
    added = {"text_embeds": torch.zeros(1, config["projection_class_embeddings_input_dim"] - sizes),
             "time_ids": torch.zeros(1, 6)}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        unet(torch.zeros(1, 4, side, side), torch.zeros(1), torch.zeros(1, 77, config["cross_attention_dim"]),
             added_cond_kwargs=added)
    return counter.get_total_flops()


def flops(case):
    """Without adapters, and of the adapters."""
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(case["config"])
        unet.set_attn_processor(AttnProcessor())  # products, which the counter knows on every device
        network = forward_flops(unet, case["config"], case["side"])
        if case["targets"] is None:
            return network, 0
        unet.add_adapter(LoraConfig(r=case["rank"], target_modules=TARGETS[case["targets"]]))
        return network, forward_flops(unet, case["config"], case["side"]) - network


def main():
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    good = len(cases) > 0
    for case in cases:
        theirs, ours = flops(case), (case["network"], case["adapters"])
        print(f"side {case['side']}, {case['targets']}: {ours} and {theirs}")
        good &= ours == theirs
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
