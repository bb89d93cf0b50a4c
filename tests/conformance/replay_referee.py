"""The training step in plain PyTorch, diffusers, transformers and PEFT: what `sarsweep-trainer replay`
is compared with. Nothing here knows how the trainer is written; names follow its file formats alone."""

import copy
import functools
import json

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

UNET_TARGETS = {
    "attn": lambda n: n.endswith((".to_q", ".to_k", ".to_v", ".to_out.0")),
    "transformer_conv": lambda n: ".attentions." in n or ".resnets." in n or "samplers." in n,
}
TEXT_TARGETS = {
    "attn": lambda n: ".self_attn." in n,
    "attn_mlp": lambda n: ".self_attn." in n or ".mlp." in n,
}
EMPTY_IDS = [49406, 49407]
PAD = {"input_ids": 49407, "input_ids_2": 0}


def wrap_lora(model, rank, alpha, chooses):
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    names = [n for n, m in model.named_modules() if isinstance(m, kinds) and chooses(n)]
    model.requires_grad_(False)
    model.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=names, lora_dropout=0.0))


def trained_name(component, key):
    """A parameter's name in the trainer's files."""
    if component.startswith("text_encoder") and not key.startswith(("text_model.", "text_projection")):
        key = "text_model." + key
    return f"{component}." + key.replace(".base_layer", "").replace(".default.", ".")


@functools.cache
def read_models(folder):
    load = lambda kind, part: kind.from_pretrained(folder, subfolder=part, torch_dtype=torch.float32)
    return {
        "unet": load(UNet2DConditionModel, "unet"),
        "text_encoder": load(CLIPTextModel, "text_encoder"),
        "text_encoder_2": load(CLIPTextModelWithProjection, "text_encoder_2"),
    }


class Referee:
    """`setup` is a dict: unet, text_encoder, text_encoder_2 -> {mode, lr, rank, alpha, targets}; train
    -> steps, global_batch, micro_batch, tail, noise_offset, clip_norm, schedule, warmup, ...;
    `mutant` names one deliberate mistake, for testing the judge."""

    def __init__(self, folder, setup, init, dtype, mutant=None):
        self.setup, self.train, self.dtype, self.mutant = setup, setup["train"], dtype, mutant
        self.models = copy.deepcopy(read_models(folder))
        self.noise = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                   num_train_timesteps=1000)
        self.groups, self.tensors = [], {}
        for part, model in self.models.items():
            self._prepare(part, model.to(dtype).train(), setup[part])
        for name, value in init.items():
            self.tensors[name].data.copy_(value)
        self.optimizer = torch.optim.AdamW(self.groups, betas=(0.9, 0.999), eps=1e-8,
                                           weight_decay=self.train.get("weight_decay", 1e-2))
        warmup = self.train.get("warmup", 0)
        shape = self.train.get("schedule", "constant")
        shape = "constant_with_warmup" if shape == "constant" and warmup else shape
        self.lr = get_scheduler(shape, self.optimizer, num_warmup_steps=warmup,
                                num_training_steps=self.train["steps"])

    def _prepare(self, part, model, network):
        if network["mode"] == "lora":
            targets = UNET_TARGETS if part == "unet" else TEXT_TARGETS
            alpha = network["alpha"] * (2 if self.mutant == "lora_scale" else 1)
            wrap_lora(model, network["rank"], alpha, targets[network["targets"]])
        model.requires_grad_(network["mode"] == "full")
        if network["mode"] == "lora":
            for module in model.modules():
                if isinstance(module, LoraLayer):
                    module.lora_A.requires_grad_(True)
                    module.lora_B.requires_grad_(True)
        trained = [(trained_name(part, n), p) for n, p in model.named_parameters() if p.requires_grad]
        if trained:
            self.groups.append({"params": [p for _, p in trained], "lr": network["lr"]})
        self.tensors.update(trained)

    def encode(self, rows):
        ids = {name: rows[name].clone() for name in PAD}
        if "drop" in rows and not self.train.get("uncond_zeros"):
            for name, pad in PAD.items():
                empty = torch.full((77,), pad)
                empty[:2] = torch.tensor(EMPTY_IDS)
                ids[name][rows["drop"].bool()] = empty
        one = self.models["text_encoder"](ids["input_ids"], output_hidden_states=True)
        two = self.models["text_encoder_2"](ids["input_ids_2"], output_hidden_states=True)
        context = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], -1)
        pooled = two.text_embeds
        if "drop" in rows and self.train.get("uncond_zeros"):
            keep = (1 - rows["drop"].to(self.dtype))
            context, pooled = context * keep[:, None, None], pooled * keep[:, None]
        return context, pooled

    def losses(self, rows):
        latents, noise = rows["latents"].to(self.dtype), rows["noise"].to(self.dtype)
        target = noise
        if self.train["noise_offset"] > 0:
            noise = noise + self.train["noise_offset"] * rows["offset_noise"].to(self.dtype)
            target = target if self.mutant == "offset_not_in_target" else noise
        noisy = self.noise.add_noise(latents, noise, rows["timesteps"])
        context, pooled = self.encode(rows)
        conditions = {"text_embeds": pooled, "time_ids": rows["time_ids"].to(self.dtype)}
        prediction = self.models["unet"](noisy, rows["timesteps"], context,
                                         added_cond_kwargs=conditions).sample
        loss = (prediction - target).square().mean((1, 2, 3))
        gamma = self.train.get("min_snr_gamma")
        if gamma is None:
            return loss, loss
        alphas = self.noise.alphas_cumprod.to(self.dtype)[rows["timesteps"]]
        snr = alphas / (1 - alphas)
        return loss * snr.clamp(max=gamma) / snr, loss

    def update(self, rows, size):
        micro_losses, total = [], 0.0
        micro = self.train["micro_batch"]
        for begin in range(0, size, micro):
            part = {name: value[begin:begin + micro] for name, value in rows.items()}
            loss, diffusion = self.losses(part)
            if self.mutant == "mean_of_micro_means":
                (loss.mean() / -(-size // micro)).backward()
            else:
                (loss.sum() / size).backward()
            micro_losses.append({"loss": loss.mean().item(), "diffusion": diffusion.mean().item()})
            total += loss.sum().item()
        gradients = {n: p.grad.detach().clone() for n, p in self.tensors.items() if p.grad is not None}
        if self.mutant == "zero_filled_gradients":
            for tensor in self.tensors.values():
                tensor.grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        norm = torch.nn.utils.clip_grad_norm_(self.tensors.values(), self.train["clip_norm"]).item()
        if self.mutant == "warmup_starts_above_zero":
            self.lr.step()
        self.optimizer.step()
        if self.mutant != "warmup_starts_above_zero":
            self.lr.step()
        self.optimizer.zero_grad(set_to_none=True)
        return micro_losses, {"loss": total / size, "grad_norm": norm}, gradients

    def run(self, inputs):
        rows, batch = len(inputs["latents"]), self.train["global_batch"]
        starts = {n: p.detach().clone() for n, p in self.tensors.items()}
        result = {"micro": [], "updates": [], "start": starts}
        for begin in range(0, rows, batch):
            size = min(batch, rows - begin)
            if size < batch and self.train["tail"] != "flush":
                break
            part = {name: value[begin:begin + size] for name, value in inputs.items()}
            micro, update, gradients = self.update(part, size)
            result["micro"] += micro
            result["updates"].append(update)
            result.setdefault("gradients", gradients)
        result["final"] = {n: p.detach().clone() for n, p in self.tensors.items()}
        return result


def read_result(folder):
    """What replay wrote, in the shape of Referee.run."""
    result = json.loads((folder / "losses.json").read_text())
    result["gradients"] = load_file(folder / "grads.safetensors")
    result["final"] = load_file(folder / "final.safetensors")
    return result
