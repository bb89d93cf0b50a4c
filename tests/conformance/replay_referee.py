"""The training step in plain PyTorch, diffusers, transformers and PEFT: what `sarsweep-trainer replay`
is compared with. Nothing here knows how the trainer is written; names follow its file formats alone."""

import contextlib
import copy
import functools
import json

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from refinement_referee import magnitude, refinement
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

diffusers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

UNET_TARGETS = {
    "attn": lambda n: n.endswith((".to_q", ".to_k", ".to_v", ".to_out.0")),
    "attn_ff": lambda n: n.endswith((".to_q", ".to_k", ".to_v", ".to_out.0")) or ".ff." in n,
    "attn_conv": lambda n: n.endswith((".to_q", ".to_k", ".to_v", ".to_out.0", ".conv1", ".conv2")),
    "transformer": lambda n: ".attentions." in n,
    "transformer_conv": lambda n: ".attentions." in n or ".resnets." in n or "samplers." in n,
}
TEXT_TARGETS = {
    "attn": lambda n: ".self_attn." in n,
    "attn_mlp": lambda n: ".self_attn." in n or ".mlp." in n,
}
EMPTY_IDS = [49406, 49407]
PAD = {"input_ids": 49407, "input_ids_2": 0}
VOCABULARY = 49408
DECODER = ("decoder.", "post_quant_conv.")


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
        "vae": load(AutoencoderKL, "vae"),
    }


class GrownEmbedding(torch.nn.Module):
    """An embedding table followed by the rows of learned tokens."""

    def __init__(self, table, rows):
        super().__init__()
        self.table, self.rows = table, rows

    def forward(self, ids):
        return torch.nn.functional.embedding(ids, torch.cat([self.table.weight, self.rows[0]]))


def grow_embedding(model, count):
    """Appends `count` rows, the mean of the table, and returns them. They are no part of the model's parameters."""
    table = model.get_input_embeddings()
    rows = torch.nn.Parameter(table.weight.detach().double().mean(0, keepdim=True).repeat(count, 1).to(table.weight.dtype))
    model.set_input_embeddings(GrownEmbedding(table, [rows]))
    return rows


def pool_at_greatest_id(model):
    """What transformers does where config.json says eos_token_id 2."""
    for module in model.modules():
        if hasattr(module, "eos_token_id"):
            module.eos_token_id = 2


def split(count, size):
    """Parts of `size`, the last one smaller: split(5, 2) == [2, 2, 1]."""
    return [min(size, count - begin) for begin in range(0, count, size)]


class Referee:
    """`setup` is a dict: unet, text_encoder, text_encoder_2 -> {mode, lr, rank, alpha, targets}; vae -> {mode,
    lr, …} as in run.json; token -> {count, lr} or absent; pool; train -> steps, global_batch, micro_batch, tail,
    noise_offset, clip_norm, schedule, warmup, …; `mutant` names one deliberate mistake, for testing the judge."""

    def __init__(self, folder, setup, dtype, mutant=None):
        self.setup, self.train, self.dtype, self.mutant = setup, setup["train"], dtype, mutant
        self.vae = setup["vae"]
        self.models = copy.deepcopy(read_models(folder))
        self.noise = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                   num_train_timesteps=1000)
        if mutant == "bf16_alphas":
            self.noise.alphas_cumprod = self.noise.alphas_cumprod.bfloat16().float()
        self.groups, self.tensors = [], {}
        for part, model in self.models.items():
            self._prepare(part, model.to(dtype).train())
        if setup.get("pool") == "hf_argmax" or mutant == "pool_at_added_token":
            pool_at_greatest_id(self.models["text_encoder_2"])
        self.optimizer = torch.optim.AdamW(self.groups, **self.adamw())
        warmup = self.train.get("warmup", 0)
        shape = self.train.get("schedule", "constant")
        shape = "constant_with_warmup" if shape == "constant" and warmup else shape
        self.lr = get_scheduler(shape, self.optimizer, num_warmup_steps=warmup,
                                num_training_steps=self.train["steps"])

    def adamw(self):
        """Its options, of which each mutant has forgotten one; train.weight_decay is decoupled."""
        options = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2}
        forgotten = (self.mutant or "").removeprefix("default_")
        options |= {name: self.train[name] for name in options if name in self.train and name != forgotten}
        if self.mutant == "decay_twice":
            options["weight_decay"] *= 2
        return options

    def load(self, init):
        """Starts trained tensors elsewhere, by name."""
        for name, value in init.items():
            self.tensors[name].data.copy_(value)
        return self

    def _prepare(self, part, model):
        network = self.setup[part]
        if network["mode"] == "lora":
            targets = UNET_TARGETS if part == "unet" else TEXT_TARGETS
            alpha = network["alpha"] * (2 if self.mutant == "lora_scale" else 1)
            wrap_lora(model, network["rank"], alpha, targets[network["targets"]])
        model.requires_grad_(network["mode"] == "full")
        for module in model.modules():
            if isinstance(module, LoraLayer):
                module.lora_A.requires_grad_(True)
                module.lora_B.requires_grad_(True)
        if network["mode"] == "decoder":
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(name.startswith(DECODER))
        trained = {trained_name(part, n): p for n, p in model.named_parameters() if p.requires_grad}
        self._add_group(trained, network.get("lr"))
        token = self.setup.get("token")
        if token and part.startswith("text_encoder"):
            row = {"clip_l" if part == "text_encoder" else "clip_g": grow_embedding(model, token["count"])}
            self._add_group(row, token["lr"], **({} if self.mutant == "decayed_token" else {"weight_decay": 0.0}))

    def _add_group(self, tensors, lr, **options):
        if tensors:
            self.groups.append({"params": list(tensors.values()), "lr": lr, **options})
        self.tensors.update(tensors)

    def encode(self, rows):
        ids = {name: rows[name].clone() for name in PAD}
        if "drop" in rows and (not self.train.get("uncond_zeros") or self.mutant == "dropped_captions_are_encoded"):
            for name, pad in PAD.items():
                empty = torch.full((77,), pad)
                empty[:2] = torch.tensor(EMPTY_IDS)
                ids[name][rows["drop"].bool()] = empty
        one = self.models["text_encoder"](ids["input_ids"], output_hidden_states=True)
        two = self.models["text_encoder_2"](ids["input_ids_2"], output_hidden_states=True)
        context = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], -1)
        pooled = two.text_embeds
        if "drop" in rows and self.train.get("uncond_zeros") and self.mutant != "dropped_captions_are_encoded":
            keep = (1 - rows["drop"].to(self.dtype))
            context, pooled = context * keep[:, None, None], pooled * keep[:, None]
        return context, pooled

    def latents(self, rows):
        if "latents" in rows:
            return rows["latents"].to(self.dtype)
        posterior = self.models["vae"].encode(rows["pixels"].to(self.dtype)).latent_dist
        z = posterior.mean
        if self.train.get("latents") != "mean" and self.mutant != "latents_are_means":
            z = z + posterior.std * rows["posterior_noise"].to(self.dtype)
        return (z * self.models["vae"].config.scaling_factor).detach()

    def predict(self, noisy, rows):
        time_ids = rows["time_ids"].to(self.dtype)
        if self.mutant == "bf16_time_ids":
            time_ids = time_ids.bfloat16().to(self.dtype)
        narrow = self.train.get("precision") == "bf16" and self.dtype == torch.float32
        with torch.autocast("cpu", torch.bfloat16) if narrow else contextlib.nullcontext():
            context, pooled = self.encode(rows)
            conditions = {"text_embeds": pooled, "time_ids": time_ids}
            answer = self.models["unet"](noisy, rows["timesteps"], context, added_cond_kwargs=conditions).sample
        return answer.to(self.dtype)

    def weights(self, timesteps):
        """Min-SNR; Hang et al. 2023."""
        gamma = self.train.get("min_snr_gamma")
        if gamma is None:
            return torch.ones(len(timesteps), dtype=self.dtype)
        alphas = self.noise.alphas_cumprod.to(self.dtype)[timesteps]
        snr = alphas / (1 - alphas)
        velocity = self.train.get("prediction") == "v" and self.mutant != "min_snr_of_epsilon"
        return snr.clamp(max=gamma) / (snr + 1 if velocity else snr)

    def losses(self, rows):
        """Per image: what is differentiated, the plain diffusion loss, and the refinement terms by name."""
        latents, noise = self.latents(rows), rows["noise"].to(self.dtype)
        target = noise
        if self.train["noise_offset"] > 0:
            noise = noise + self.train["noise_offset"] * rows["offset_noise"].to(self.dtype)
            target = target if self.mutant == "offset_not_in_target" else noise
        timesteps = rows["timesteps"]
        noisy = self.noise.add_noise(latents, noise, timesteps)
        if self.train.get("prediction") == "v":
            target = self.noise.get_velocity(latents, noise, timesteps)
            target = -target if self.mutant == "velocity_upside_down" else target
        prediction = self.predict(noisy, rows)
        diffusion = (prediction - target).square().mean((1, 2, 3))
        loss, terms = diffusion * self.weights(timesteps), {}
        if self.vae["mode"] == "decoder":
            answer = noise if self.mutant == "refined_with_the_true_noise" else prediction
            loss, terms = self.refined(loss, rows, noisy, answer)
            if self.mutant == "refinement_weighted_by_min_snr":
                weights = self.weights(timesteps)
                loss = diffusion * weights + (loss - diffusion * weights) * weights
        return loss, diffusion, terms

    def refined(self, loss, rows, noisy, answer):
        late = rows["timesteps"] < self.vae["t_max"]
        if not late.any():
            return loss, {}
        t = rows["timesteps"][late]
        alpha = self.noise.alphas_cumprod.to(self.dtype)[t].view(-1, 1, 1, 1)
        if self.train.get("prediction") == "v":
            clean = alpha.sqrt() * noisy[late] - (1 - alpha).sqrt() * answer[late]
        else:
            clean = (noisy[late] - (1 - alpha).sqrt() * answer[late]) / alpha.sqrt()
        if self.vae.get("gradient") == "decoder_only" and self.mutant != "gradient_leaves_the_decoder":
            clean = clean.detach()
        vae = self.models["vae"]
        factor = 1 if self.mutant == "decoded_without_scaling" else vae.config.scaling_factor
        decoded = vae.decode(clean / factor).sample
        real = rows["pixels"].to(self.dtype)[late]
        terms = self.terms(decoded, real)
        share = len(loss) / late.sum() if self.mutant == "refinement_averaged_over_late" else 1
        weighted = sum(weight * term for weight, term in terms.values()) * share
        return loss.index_add(0, late.nonzero().squeeze(1), weighted), {n: t for n, (_, t) in terms.items()}

    def terms(self, decoded, real):
        """{name: (weight, loss [B])}, and for the judge how large the parts are whose sum each is."""
        asked = (decoded, real, self.vae, self.setup.get("stretch", "mean3sigma"), self.mutant)
        with torch.no_grad():
            self.magnitudes = {name: size.sum().item() for name, (_, size) in refinement(*asked, magnitude).items()}
        return refinement(*asked)

    def vae_losses(self, rows):
        vae, pixels = self.models["vae"], rows["pixels"].to(self.dtype)
        posterior = vae.encode(pixels).latent_dist
        decoded = vae.decode(posterior.mean + posterior.std * rows["posterior_noise"].to(self.dtype)).sample
        l1 = (decoded - pixels).abs().mean((1, 2, 3))
        divergence = posterior.kl()
        if self.mutant == "kl_averaged":
            divergence = divergence / posterior.mean[0].numel()
        loss = l1 + self.vae["kl_weight"] * divergence
        terms = self.terms(decoded, pixels)
        return loss + sum(weight * term for weight, term in terms.values()), l1, {n: t for n, (_, t) in terms.items()}

    def passes(self, rows, size):
        micro = self.train["micro_batch"]
        for begin in range(0, size, micro):
            yield {name: value[begin:begin + micro] for name, value in rows.items()}

    def accumulate(self, rows, size):
        micro_losses, total, plain = [], 0.0, "l1" if self.setup["job"] == "vae" else "diffusion"
        for part in self.passes(rows, size):
            self.magnitudes = {}
            loss, diffusion, terms = self.vae_losses(part) if plain == "l1" else self.losses(part)
            share = loss.sum() / (self.train["global_batch"] if self.mutant == "tail_divided_by_the_batch" else size)
            if self.mutant == "mean_of_micro_means":
                share = loss.mean() / -(-size // self.train["micro_batch"])
            if share.requires_grad:
                share.backward()
            means = {"loss": loss.mean(), plain: diffusion.mean(), **{n: t.sum() / len(loss) for n, t in terms.items()}}
            micro_losses.append({name: value.item() for name, value in means.items()})
            self.result["magnitudes"].append({name: size / len(loss) for name, size in self.magnitudes.items()})
            total += loss.sum().item()
        return micro_losses, total / size

    def clip(self):
        """The norm over everything; clips each part by its own where the decoder is clipped apart."""
        everything = list(self.tensors.values())
        norm = torch.nn.utils.get_total_norm([p.grad for p in everything if p.grad is not None]).item()
        apart = self.train.get("clip_scope", "by_part") == "by_part" and self.mutant != "clipped_together"
        decoder = [p for n, p in self.tensors.items() if n.startswith("vae.")] if apart else []
        rest = [p for n, p in self.tensors.items() if not (apart and n.startswith("vae."))]
        for part in (rest, decoder):
            torch.nn.utils.clip_grad_norm_(part, self.train["clip_norm"])
        return norm

    def update(self, rows, size):
        micro_losses, loss = self.accumulate(rows, size)
        gradients = {n: p.grad.detach().clone() for n, p in self.tensors.items() if p.grad is not None}
        if self.mutant == "zero_filled_gradients":
            for tensor in self.tensors.values():
                tensor.grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        norm = self.clip()
        if self.mutant == "warmup_starts_above_zero":
            self.lr.step()
        if self.averages and self.mutant == "average_before_the_update":
            self.averages.step(self.tensors.values())
        self.optimizer.step()
        if self.mutant == "bf16_masters":
            for tensor in self.tensors.values():
                tensor.data.copy_(tensor.data.bfloat16())
        if self.averages and self.mutant != "average_before_the_update":
            self.averages.step(self.tensors.values())
        if self.mutant != "warmup_starts_above_zero":
            self.lr.step()
        self.optimizer.zero_grad(set_to_none=True)
        return micro_losses, {"loss": loss, "grad_norm": norm}, gradients

    def update_sizes(self, rows):
        """Rows of each update. An epoch's last ones are an update of their own (flush) or begin the next epoch's
        first (carry); what drop leaves out of an epoch is among the rows of a single epoch alone."""
        batch, epoch = self.train["global_batch"], self.setup.get("epoch") or rows
        if self.train["tail"] != "flush" and self.mutant != "carried_tail_is_flushed":
            return [batch] * (rows // batch)
        return [size for begin in range(0, rows, epoch)
                for size in split(min(epoch, rows - begin), batch)]

    def run(self, inputs):
        decay = self.train.get("ema_decay")
        self.averages = decay and EMAModel(self.tensors.values(), decay=decay)
        starts = {n: p.detach().clone() for n, p in self.tensors.items()}
        self.result = result = {"micro": [], "magnitudes": [], "updates": [], "start": starts}
        begin = 0
        for size in self.update_sizes(len(inputs["noise"])):
            part = {name: value[begin:begin + size] for name, value in inputs.items()}
            begin += size
            micro, update, gradients = self.update(part, size)
            result["micro"] += micro
            result["updates"].append(update)
            result.setdefault("gradients", gradients)
        result["final"] = {n: p.detach().clone() for n, p in self.tensors.items()}
        if self.averages:
            averages = {f"ema.{n}": p.clone() for n, p in zip(self.tensors, self.averages.shadow_params)}
            if self.mutant == "decoder_is_not_averaged":
                averages |= {f"ema.{n}": p for n, p in result["final"].items() if n.startswith("vae.")}
            result["final"] |= averages
        return result


def read_result(folder):
    """What replay wrote, in the shape of Referee.run."""
    result = json.loads((folder / "losses.json").read_text())
    result["gradients"] = load_file(folder / "grads.safetensors")
    result["final"] = load_file(folder / "final.safetensors")
    return result
