"""What a run's updates are given, worked out from its pictures, its captions and its seed: docs/data.md and the draws
of the trainer's design, written again with numpy, Pillow, tifffile, transformers and diffusers' autoencoder."""

import dataclasses
import json
import math
import pathlib

import numpy as np
import tifffile
import torch
from PIL import Image
from tokenizers import AddedToken
from transformers import CLIPTokenizer

WORD = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
LUMA = np.array([0.299, 0.587, 0.114])


def philox(key, low, high):
    """Salmon et al., SC 2011: [n, 4] words of a 64-bit key and the 128-bit counters (low [n], high)."""
    low = np.atleast_1d(np.asarray(low, np.uint64))
    high = np.full_like(low, high)
    c = [low & WORD, low >> HALF, high & WORD, high >> HALF]
    keys = [np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)]
    for _ in range(10):
        p, q = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(q >> HALF) ^ c[1] ^ keys[0], q & WORD, (p >> HALF) ^ c[3] ^ keys[1], p & WORD]
        keys = [(k + np.uint64(step)) & WORD for k, step in zip(keys, (0x9E3779B9, 0xBB67AE85))]
    return np.stack(c, 1)


class Draws:
    """The numbers of one purpose and index: 64 bits each, two of a block."""

    def __init__(self, seed, purpose, index):
        digest = 0xCBF29CE484222325  # FNV-1a
        for byte in purpose.encode():
            digest = (digest ^ byte) * 0x100000001B3 % 2**64
        words = philox(seed, digest, 0x5EED000)[0]
        self.key, self.index = int(words[1]) << 32 | int(words[0]), index

    def bits(self, count):
        words = philox(self.key, np.arange((count + 1) // 2), self.index).reshape(-1, 2)
        return (words[:, 1] << HALF | words[:, 0])[:count]

    def uniform(self, count):
        return ((self.bits(count) >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52

    def normal(self, *shape):
        count = math.prod(shape)
        u = self.uniform(count + count % 2).reshape(-1, 2)
        radius, angle = np.sqrt(-2 * np.log(u[:, 0])), 2 * np.pi * u[:, 1]
        pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        return torch.from_numpy(pairs.reshape(-1)[:count].reshape(shape)).float()

    def below(self, n, i=0):
        return int(self.bits(i + 1)[i] >> HALF) * n >> 32


def order_of_epoch(seed, epoch, count):
    draws, order = Draws(seed, "order", epoch), list(range(count))
    for i in range(count, 1, -1):
        j = draws.below(i, i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def sample_indices(train, images, updates):
    """The stream's places that the first updates take: epoch after epoch, whose last images train.tail may leave."""
    batch, tail = train["global_batch"], train["tail"]
    if tail == "carry":
        return list(range(updates * batch))
    kept = images if tail == "flush" else images // batch * batch
    epochs, rest = divmod(updates, -(-kept // batch))
    return [epoch * images + place for epoch in range(epochs + 1)
            for place in range(kept if epoch < epochs else rest * batch)]


@dataclasses.dataclass
class Picture:
    file: pathlib.Path
    caption: str
    scale: float = None


def listed(split, scale_column=None):
    """The pictures of metadata.jsonl, or with a caption beside each, in their order."""
    if (split / "metadata.jsonl").exists():
        rows = [json.loads(line) for line in (split / "metadata.jsonl").read_text().splitlines()]
        return [Picture(split / row["file_name"], row["text"], row.get(scale_column)) for row in rows]
    files = sorted((f for f in split.rglob("*") if f.is_file() and f.suffix != ".txt"),
                   key=lambda f: f.relative_to(split).parts)
    return [Picture(file, file.with_suffix(".txt").read_text().strip()) for file in files]


def amplitude(picture, gray):
    """Linear amplitude [H, W]: floats as they are, integers times the scale or over their full scale."""
    if picture.file.suffix == ".tif":
        values = tifffile.imread(picture.file)
    else:
        image = Image.open(picture.file)
        values = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    full = 1 if values.dtype.kind == "f" else 255 if values.dtype == np.uint8 else 65535
    factor = picture.scale if picture.scale is not None else 1 / full
    values = values.astype(float) * factor
    if values.ndim == 3:
        values = values @ LUMA if gray == "luma" else values.mean(2)
    return values.astype(np.float32)


def block_means(values, side):
    """Root of the mean intensity of the largest blocks that leave `side`."""
    factor = max(1, min(values.shape) // side)
    height, width = (size // factor for size in values.shape)
    blocks = values[:height * factor, :width * factor].astype(float).reshape(height, factor, width, factor)
    return np.sqrt((blocks ** 2).mean((1, 3))).astype(np.float32)


def square(values, top, left, side):
    return values[top:top + side, left:left + side]


class DataReferee:
    """`config` is that of run.json, with every data field it needs; `seed` the run's."""

    def __init__(self, config, seed, vae, tokenizers):
        self.data, self.prompt, self.train = config["data"], config["prompt"], config["train"]
        self.vae_config, self.seed, self.vae, self.tokenizers = config["vae"], seed, vae, tokenizers
        self.side = self.data["resolution"]
        self.items = listed(pathlib.Path(self.data["path"]) / "train", self.data.get("scale_column"))
        stored = [amplitude(item, self.data.get("gray", "mean")) for item in self.items]
        self.stored_sizes = [values.shape for values in stored]
        reduced = self.data.get("resize") == "block_mean"
        self.pictures = [block_means(values, self.side) if reduced else values for values in stored]
        seen = self.pictures if self.random_crop() else [square(v, *self.centre(v), self.side) for v in self.pictures]
        every = np.concatenate([values.reshape(-1) for values in seen]).astype(float)
        self.reference = every.mean() + 3 * every.std()

    def random_crop(self):
        return self.data.get("crop", "center") == "random"

    def centre(self, values):
        return [(size - self.side) // 2 for size in values.shape]

    def stretched(self, values):
        shares = np.clip(values.astype(float) / self.reference, 0, 1)
        return (np.sqrt(shares) if self.data["stretch"] == "sqrt" else shares).astype(np.float32)

    def mirrors(self):
        """(rows reversed, columns reversed), those that data.flip allows in the order of their draw."""
        azimuth = (self.data["range_axis"] == "columns", self.data["range_axis"] == "rows")
        both = [(False, False), azimuth, azimuth[::-1], (True, True)]
        return {"azimuth": both[:2], "both": both}[self.data["flip"]]

    def view(self, image, index):
        """Its stretched square, and the size conditioning."""
        values = self.pictures[image]
        top, left = self.centre(values)
        if self.random_crop():
            crop = Draws(self.seed, "crop", index)
            top, left = (crop.below(size - self.side + 1, axis) for axis, size in enumerate(values.shape))
        choices = self.mirrors()
        rows, columns = choices[Draws(self.seed, "flip", index).below(len(choices))]
        shown = self.stretched(square(values, top, left, self.side))
        shown = shown[::-1] if rows else shown
        shown = shown[:, ::-1] if columns else shown
        height, width = values.shape
        corner = (height - self.side - top if rows else top, width - self.side - left if columns else left)
        return shown, [*self.stored_sizes[image], *corner, self.side, self.side]

    def timestep(self, index):
        if self.vae_config["mode"] != "decoder":
            return Draws(self.seed, "timestep", index).below(1000)
        share, most = self.vae_config["late_share"], self.vae_config["t_max"]
        u = Draws(self.seed, "timestep", index).uniform(1)[0]
        return int(u / share * most) if u < share else int(most + (u - share) / (1 - share) * (1000 - most))

    def ids(self, captions):
        for old, new in self.prompt.get("replace", {}).items():
            captions = [caption.replace(old, new, 1) for caption in captions]
        asked = dict(padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        return [tokenizer(captions, **asked).input_ids for tokenizer in self.tokenizers]

    def latents(self, pixels, samples):
        """Scaled latents, in the autoencoder's own precision."""
        with torch.no_grad():
            posterior = self.vae.encode(pixels.to(self.vae.dtype)).latent_dist
        z = posterior.mean
        if self.train.get("latents") != "mean":
            drawn = [Draws(self.seed, "posterior", index).normal(*z.shape[1:]) for index in samples]
            z = z + posterior.std * torch.stack(drawn).to(z.dtype)
        return z * self.vae.config.scaling_factor

    def inputs(self, updates):
        """Rows of everything, as a recorded file has them."""
        samples = sample_indices(self.train, len(self.items), updates)
        images = [order_of_epoch(self.seed, i // len(self.items), len(self.items))[i % len(self.items)] for i in samples]
        views, sizes = zip(*(self.view(image, index) for image, index in zip(images, samples)))
        shown = torch.stack([torch.from_numpy(view.copy()) for view in views])
        pixels = (2 * shown - 1).unsqueeze(1).repeat(1, 3, 1, 1)
        latents = self.latents(pixels, samples)
        draw = lambda purpose, *shape: torch.stack([Draws(self.seed, purpose, i).normal(*shape) for i in samples])
        ids, ids_2 = self.ids([self.items[image].caption for image in images])
        dropout = self.prompt.get("dropout", 0)
        rows = {"latents": latents, "noise": draw("noise", *latents.shape[1:]),
                "offset_noise": draw("noise_offset", latents.shape[1], 1, 1),
                "timesteps": torch.tensor([self.timestep(i) for i in samples]),
                "input_ids": ids, "input_ids_2": ids_2, "time_ids": torch.tensor(sizes).float(),
                "drop": torch.tensor([Draws(self.seed, "caption_dropout", i).uniform(1)[0] < dropout for i in samples]
                                     ).to(torch.uint8)}
        if self.vae_config["mode"] == "decoder":
            late = rows["timesteps"] < self.vae_config["t_max"]
            rows["pixels"] = torch.where(late.view(-1, 1, 1, 1), pixels, 0.0)
        return rows


def tokenizers_of(folder, added=()):
    """Those of a pipeline folder, with tokens that match exactly."""
    both = [CLIPTokenizer.from_pretrained(folder, subfolder=part) for part in ("tokenizer", "tokenizer_2")]
    for tokenizer in both:
        tokens = [AddedToken(text, special=True, normalized=False) for text in added]
        tokenizer.add_special_tokens({"additional_special_tokens": tokens})
    return both
