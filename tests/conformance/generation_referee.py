"""Compares what the trainer computed with diffusers.

usage: generation_referee.py lora FOLDER OURS.safetensors LORA.safetensors
       generation_referee.py embeddings FOLDER OURS.safetensors ROWS.safetensors

`lora`: the UNet's answer and the prompt's features with the file loaded. `embeddings`: the features of a prompt with
<SAR> whose rows are loaded; the rows are in the text encoders then. Agreement means max|a - b| <= 1e-5 max|b|.
"""

import sys
import warnings

import torch
from diffusers import StableDiffusionXLPipeline
from safetensors.torch import load_file

TOLERANCE = 1e-5


def agreement(name, ours, theirs):
    error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    print(f"{name}: {error:.2e}")
    return error <= TOLERANCE


def lora(pipe, ours, file):
    def compute():
        context, _, pooled, _ = pipe.encode_prompt(["a tank", "grass, an airport"], do_classifier_free_guidance=False)
        added = {"text_embeds": pooled, "time_ids": ours["time_ids"]}
        out = pipe.unet(ours["sample"], ours["timesteps"], context, added_cond_kwargs=added).sample
        return {"context": context, "pooled": pooled, "answer": out}

    with torch.no_grad():
        before = compute()
        pipe.load_lora_weights(file)
        after = compute()
    good = all([agreement(name, ours[name], value) for name, value in after.items()])
    for name, value in after.items():
        change = ((value - before[name]).abs().max() / before[name].abs().max()).item()
        print(f"{name} changed by {change:.2e}")
        good &= change > 1e-2
    return good


def embeddings(pipe, ours, file):
    rows, good = load_file(file), True
    with torch.no_grad():
        for key, encoder, tokenizer in (("clip_l", pipe.text_encoder, pipe.tokenizer),
                                        ("clip_g", pipe.text_encoder_2, pipe.tokenizer_2)):
            pipe.load_textual_inversion(rows[key], token="<SAR>", text_encoder=encoder, tokenizer=tokenizer)
            table = encoder.get_input_embeddings().weight
            good &= torch.equal(table[tokenizer.convert_tokens_to_ids("<SAR>")], rows[key][0])
        context, _, pooled, _ = pipe.encode_prompt(["a <SAR> tank", "a tank"], do_classifier_free_guidance=False)
    print(f"rows as written: {good}")
    return good & agreement("context", ours["context"], context) & agreement("pooled", ours["pooled"], pooled)


def main():
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    action, folder, ours, argument = sys.argv[1:]
    pipe = StableDiffusionXLPipeline.from_pretrained(folder, local_files_only=True, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    check = {"lora": lora, "embeddings": embeddings}[action]
    sys.exit(0 if check(pipe, load_file(ours), argument) else 1)


if __name__ == "__main__":
    main()
