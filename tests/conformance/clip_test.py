"""CLIP's towers, files, preprocessing and training against transformers, open_clip and plain PyTorch.

clip_test.py TRAINER [TEST...]; exits 0 if everything agrees. fp32 on the CPU; embeddings agree if
max|a - b| <= 1e-5 * max|b|."""

import copy
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.utils import logging as transformers_logging

TRAINER = sys.argv[1]
TOLERANCE = 1e-5
CAPTIONS = ["A SAR image of a port with 3 ships along 2 piers", "a forest",
            "An airport with 2 runways, VV; 0.4 m spacing", "", "Ein Feld bei Köln " * 30]
# transformers' words for three sizes: two presets' worth of odd widths, and ViT-B/32's own widths.
SIZES = {
    "odd": dict(text=(48, 2, 3, 100), vision=(80, 3, 5, 200), image=48, patch=12, projection=40, act="quick_gelu"),
    "middle": dict(text=(128, 3, 2, 512), vision=(192, 4, 3, 768), image=96, patch=16, projection=64, act="gelu"),
    "b32": dict(text=(512, 2, 8, 2048), vision=(768, 2, 12, 3072), image=224, patch=32, projection=512,
                act="quick_gelu")}


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def bytes_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def unit(rows):
    return rows / rows.norm(dim=-1, keepdim=True)


def pictures(folder, sizes, seed=1):
    """Eight-bit speckle of several sizes, as files and as PIL has them."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(seed)
    made = []
    for i, (height, width) in enumerate(sizes):
        codes = np.minimum(255, (40 + 8 * i) * draw.rayleigh(size=(height, width))).astype(np.uint8)
        Image.fromarray(codes).save(folder / f"{i:02}.png")
        made.append(Image.fromarray(codes).convert("RGB"))
    return made


def transformers_model(size, seed=3):
    shape = SIZES[size]
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    torch.manual_seed(seed)
    model = CLIPModel(CLIPConfig(
        text_config=dict(zip(names, shape["text"])) | {"hidden_act": shape["act"]},
        vision_config=dict(zip(names, shape["vision"])) | {
            "hidden_act": shape["act"], "image_size": shape["image"], "patch_size": shape["patch"]},
        projection_dim=shape["projection"])).eval()
    with torch.no_grad():  # a fresh norm or bias would hide that it was read from the wrong place
        for name, value in model.named_parameters():
            if value.dim() == 1:
                value.add_(0.1 * torch.randn_like(value))
        model.logit_scale.fill_(3.25)
    return model


def processor(side, **changes):
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side}, **changes)


class Clip(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="sarsweep-clip-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.captions = self.folder / "captions.txt"
        self.captions.write_text("\n".join(caption for caption in CAPTIONS if caption))

    def tokenizer(self):
        """CLIP's own, as `init` writes it."""
        folder = self.folder / "preset"
        if not folder.exists():
            run(TRAINER, "init", "--preset", "clip-tiny", "--out", folder, "--seed", 1)
        return CLIPTokenizer.from_pretrained(folder)

    def save(self, model, name, side, **preprocessing):
        folder = self.folder / name
        model.save_pretrained(folder)
        self.tokenizer().save_pretrained(folder)
        processor(side, **preprocessing).save_pretrained(folder)
        return folder

    def ours(self, model, images):
        out = self.folder / "out.safetensors"
        run(TRAINER, "clip", "--model", model, "--images", images, "--captions", self.captions, "--stretch", "none",
            "--out", out)
        return load_file(out)

    def theirs(self, model, made, preprocess, tokenizer):
        captions = [caption for caption in CAPTIONS if caption]
        with torch.no_grad():
            pixels = preprocess(made, return_tensors="pt").pixel_values
            ids = tokenizer(captions, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
            return {"pictures": unit(model.get_image_features(pixel_values=pixels).pooler_output),
                    "captions": unit(model.get_text_features(input_ids=ids).pooler_output)}

    def agree(self, ours, theirs, what):
        for name, value in theirs.items():
            difference = (ours[name].double() - value.double()).abs().max().item()
            limit = TOLERANCE * value.abs().max().item()
            self.assertLessEqual(difference, limit, f"{what}: {name}")


class Transformers(Clip):
    def test_embeddings_of_three_sizes(self):
        for size, shape in SIZES.items():
            side = shape["image"]
            made = pictures(self.folder / f"images-{size}",
                            [(side, side), (side + 17, side * 2), (2 * side + 1, side + 4), (side // 2, side // 2)])
            model = transformers_model(size)
            folder = self.save(model, size, side)
            self.agree(self.ours(folder, self.folder / f"images-{size}"),
                       self.theirs(model, made, processor(side), self.tokenizer()), size)

    def test_another_normalisation_is_read(self):
        made = pictures(self.folder / "images", [(48, 48)] * 3)
        model = transformers_model("odd")
        halves = dict(image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.6, 0.7])
        folder = self.save(model, "model", 48, **halves)
        self.agree(self.ours(folder, self.folder / "images"),
                   self.theirs(model, made, processor(48, **halves), self.tokenizer()), "normalisation")

    def test_an_added_token_is_pooled_where_transformers_pools(self):
        made = pictures(self.folder / "images", [(48, 48)])
        self.captions.write_text("a <SAR> image of a port")
        tokenizer = self.tokenizer()
        tokenizer.add_special_tokens({"additional_special_tokens": ["<SAR>"]})
        model = transformers_model("odd")
        model.text_model.resize_token_embeddings(len(tokenizer))
        model.config.text_config.vocab_size = len(tokenizer)
        ids = tokenizer(["a <SAR> image of a port"], padding="max_length", max_length=77, return_tensors="pt").input_ids
        self.assertIn(49408, ids.tolist()[0])
        rows = []
        for eos in (49407, 2):  # 2: at the greatest id, which is the added token's
            folder = self.folder / f"model-{eos}"
            model.config.text_config.eos_token_id = model.text_model.eos_token_id = eos
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            again = self.folder / f"again-{eos}"
            run(TRAINER, "convert", "--from", folder, "--to", again, "--format", "folder")
            with torch.no_grad():
                theirs = unit(model.get_text_features(input_ids=ids).pooler_output)
            for place in (folder, again):
                rows.append(self.ours(place, self.folder / "images")["captions"])
                self.agree({"captions": rows[-1]}, {"captions": theirs}, eos)
        self.assertFalse(torch.allclose(rows[0], rows[-1], atol=1e-3))

    def test_init_writes_what_transformers_loads(self):
        for preset in ("clip-tiny", "clip-small"):
            first, second, third = (self.folder / f"{preset}-{i}" for i in range(3))
            for folder, seed in ((first, 1), (second, 1), (third, 2)):
                run(TRAINER, "init", "--preset", preset, "--out", folder, "--seed", seed)
            self.assertEqual(bytes_of(first), bytes_of(second))
            self.assertNotEqual(bytes_of(first)["model.safetensors"], bytes_of(third)["model.safetensors"])
            model, facts = CLIPModel.from_pretrained(first, output_loading_info=True)
            self.assertFalse(facts["missing_keys"] or facts["unexpected_keys"], facts)
            side = model.config.vision_config.image_size
            made = pictures(self.folder / f"images-{preset}", [(side, side), (side + 9, side)])
            preprocess = CLIPImageProcessorPil.from_pretrained(first)
            self.agree(self.ours(first, self.folder / f"images-{preset}"),
                       self.theirs(model.eval(), made, preprocess, CLIPTokenizer.from_pretrained(first)), preset)


def open_clip_model(size, seed=5):
    shape = SIZES[size]
    width, layers, heads, mlp = shape["vision"]
    text_width, text_layers, text_heads, text_mlp = shape["text"]
    config = {
        "embed_dim": shape["projection"], "quick_gelu": shape["act"] == "quick_gelu",
        "vision_cfg": {"image_size": shape["image"], "patch_size": shape["patch"], "layers": layers, "width": width,
                       "head_width": width // heads, "mlp_ratio": mlp / width},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": text_width, "heads": text_heads,
                     "layers": text_layers, "mlp_ratio": text_mlp / text_width}}
    torch.manual_seed(seed)
    model = open_clip.CLIP(**copy.deepcopy(config)).eval()
    with torch.no_grad():
        for value in model.parameters():
            if value.dim() == 1:
                value.add_(0.1 * torch.randn_like(value))
    return model, config


class OpenClip(Clip):
    def expected(self, model, made, side):
        preprocess = open_clip.image_transform(side, is_train=False)
        with torch.no_grad():
            return {"pictures": unit(model.encode_image(torch.stack([preprocess(image) for image in made]))),
                    "captions": unit(model.encode_text(open_clip.tokenize([c for c in CAPTIONS if c])))}

    def weights(self, model):
        return {name: value.contiguous() for name, value in model.state_dict().items()}

    def test_embeddings_of_three_sizes_from_a_folder(self):
        for size, shape in SIZES.items():
            model, config = open_clip_model(size)
            folder = self.folder / size
            folder.mkdir()
            (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
            save_file(self.weights(model), folder / "open_clip_model.safetensors")
            side = shape["image"]
            made = pictures(self.folder / f"images-{size}", [(side, side), (side + 16, side * 2), (side // 2, side // 2)])
            self.agree(self.ours(folder, self.folder / f"images-{size}"), self.expected(model, made, side), size)

    def test_weights_alone_say_their_sizes(self):
        for wrapped in (False, True):
            SIZES["alone"] = SIZES["b32"] | {"act": "gelu"}
            model, _ = open_clip_model("alone")
            prefix = "module." if wrapped else ""
            file = self.folder / f"alone-{wrapped}.safetensors"
            save_file({prefix + name: value for name, value in self.weights(model).items()}, file)
            made = pictures(self.folder / f"images-{wrapped}", [(224, 224), (300, 260)])
            self.agree(self.ours(file, self.folder / f"images-{wrapped}"), self.expected(model, made, 224), "alone")

    def test_converted_to_a_folder_every_weight_is_the_same(self):
        model, config = open_clip_model("middle")
        folder = self.folder / "source"
        folder.mkdir()
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
        save_file(self.weights(model), folder / "open_clip_model.safetensors")
        target = self.folder / "target"
        run(TRAINER, "convert", "--from", folder, "--to", target, "--format", "folder")
        loaded, facts = CLIPModel.from_pretrained(target, output_loading_info=True)
        self.assertFalse(facts["missing_keys"] or facts["unexpected_keys"], facts)
        state, source = loaded.state_dict(), model.state_dict()
        for tower, prefix in (("vision_model", "visual."), ("text_model", "")):
            for layer in range(len(getattr(loaded, tower).encoder.layers)):
                ours = f"{tower}.encoder.layers.{layer}."
                theirs = f"{prefix}transformer.resblocks.{layer}."
                for kind in ("weight", "bias"):
                    stacked = torch.cat([state[f"{ours}self_attn.{p}_proj.{kind}"] for p in "qkv"])
                    self.assertTrue(torch.equal(stacked, source[f"{theirs}attn.in_proj_{kind}"]), ours)
        self.assertTrue(torch.equal(state["visual_projection.weight"].T, source["visual.proj"]))
        self.assertTrue(torch.equal(state["text_projection.weight"].T, source["text_projection"]))
        self.assertTrue(torch.equal(state["logit_scale"], source["logit_scale"]))
        made = pictures(self.folder / "images", [(96, 96)] * 2)
        with torch.no_grad():
            features = unit(loaded.eval().get_image_features(
                pixel_values=processor(96)(made, return_tensors="pt").pixel_values).pooler_output)
        self.agree({"pictures": features}, {"pictures": self.expected(model, made, 96)["pictures"]}, "converted")

    def test_the_digest_is_of_what_is_computed_not_of_the_files(self):
        model, config = open_clip_model("middle")
        source, target, half = (self.folder / name for name in ("source", "target", "half"))
        source.mkdir()
        (source / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
        save_file(self.weights(model), source / "open_clip_model.safetensors")
        run(TRAINER, "convert", "--from", source, "--to", target, "--format", "folder")
        run(TRAINER, "convert", "--from", target, "--to", half, "--format", "folder", "--dtype", "fp16")
        pictures(self.folder / "images", [(96, 96)])
        digest = lambda path: json.loads(run(
            TRAINER, "clip", "--model", path, "--images", self.folder / "images", "--captions", self.captions,
            "--stretch", "none", "--out", self.folder / "x.safetensors", "-o", "json"))["clip"]
        self.assertEqual(digest(source), digest(target))
        self.assertNotEqual(digest(source), digest(half))
        kinds = [json.loads(run(TRAINER, "inspect", path, "--json")) for path in (source, half)]
        self.assertEqual([(kind["kind"], kind["dtype"]) for kind in kinds],
                         [("open_clip weights", "F32"), ("CLIP folder", "F16")])
        parameters = sum(value.numel() for value in model.parameters())
        self.assertEqual([kind["parameters"] for kind in kinds], [parameters, parameters])

    def test_other_weights_are_refused_by_name(self):
        model, config = open_clip_model("middle")
        for change, word in ((lambda w: w.pop("visual.ln_pre.bias"), "missing visual.ln_pre.bias"),
                             (lambda w: w.update(logit_bias=torch.zeros(())), "unexpected logit_bias"),
                             (lambda w: w.update({"visual.proj": torch.zeros(3, 3)}), "visual.proj is [3, 3]")):
            folder = self.folder / word.replace(" ", "-")
            folder.mkdir()
            weights = self.weights(model)
            change(weights)
            (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
            save_file(weights, folder / "open_clip_model.safetensors")
            done = subprocess.run([TRAINER, "convert", "--from", folder, "--to", self.folder / "y", "--format", "folder"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn(word, done.stderr)


class Judging(Clip):
    POOL = 5

    def test_ranks_and_cosines_are_those_of_transformers(self):
        sizes = [(48, 48), (60, 48), (48, 70), (97, 50)] * 3
        real, generated = (pictures(self.folder / name, sizes, seed) for name, seed in (("real", 1), ("generated", 2)))
        captions = [f"a SAR image of a port with {i} ships" for i in range(11)] + ["a SAR image of a port with 3 ships"]
        labels = ["forest" if i % 3 else "port" for i in range(12)]
        (self.folder / "real/metadata.jsonl").write_text("\n".join(
            json.dumps({"file_name": f"{i:02}.png", "text": text, "label": label})
            for i, (text, label) in enumerate(zip(captions, labels))))
        protocol = self.folder / "protocol.json"
        protocol.write_text(json.dumps({"stretch": "none", "rank_pool": self.POOL, "rank_ties": "mid"}))
        model = transformers_model("odd")
        folder = self.save(model, "model", 48)
        run(TRAINER, "evaluate", "--real", self.folder / "real", "--generated", self.folder / "generated", "--protocol",
            protocol, "--clip", folder, "--out", self.folder / "result.json")
        result = json.loads((self.folder / "result.json").read_text())

        with torch.no_grad():
            ids = self.tokenizer()(captions, padding="max_length", max_length=77, return_tensors="pt").input_ids
            text = unit(model.get_text_features(input_ids=ids).pooler_output)
            text[11] = text[3]  # one caption: the same number to the last bit
            cosines = [unit(model.get_image_features(pixel_values=processor(48)(made, return_tensors="pt").pixel_values)
                            .pooler_output) @ text.T for made in (real, generated)]
        own = [table.diagonal() for table in cosines]
        others = [[cosines[1][i, j] for j in range(12) if j != i] for i in range(12)]
        above = [sum(c.item() > own[1][i].item() for c in row) for i, row in enumerate(others)]
        ties = [1 if i in (3, 11) else 0 for i in range(12)]
        rank = lambda count: 1 + (self.POOL - 1) * count / 11
        for i, row in enumerate(result["images"]):
            self.assertAlmostEqual(row["cosine"], own[1][i].item(), delta=1e-5)
            self.assertAlmostEqual(row["rank_strict"], rank(above[i]), delta=1e-9)
            self.assertAlmostEqual(row["rank_mid"], rank(above[i] + ties[i] / 2), delta=1e-9)
        self.assertAlmostEqual(result["clip_rank"]["expected_mean"],
                               np.mean([rank(a + t / 2) for a, t in zip(above, ties)]), delta=1e-9)
        for label, values in result["cosine"].items():
            chosen = [i for i in range(12) if labels[i] == label]
            for side, name in enumerate(("real", "generated")):
                self.assertAlmostEqual(values[name], own[side][chosen].mean().item(), delta=1e-5)

    def test_the_judge_is_part_of_the_hash(self):
        made = pictures(self.folder / "real", [(64, 64)] * 3)
        self.assertEqual(len(made), 3)
        (self.folder / "real/metadata.jsonl").write_text("\n".join(
            json.dumps({"file_name": f"{i:02}.png", "text": f"{i} ships"}) for i in range(3)))
        judges = {"none": []}
        for seed in (1, 2):
            folder = self.folder / f"judge-{seed}"
            run(TRAINER, "init", "--preset", "clip-tiny", "--out", folder, "--seed", seed)
            judges[str(seed)] = ["--clip", folder]
        shutil.copytree(self.folder / "judge-1", self.folder / "elsewhere")
        judges["moved"] = ["--clip", self.folder / "elsewhere"]
        results = {}
        for name, option in judges.items():
            out = self.folder / f"{name}.json"
            run(TRAINER, "evaluate", "--real", self.folder / "real", "--generated", self.folder / "real", "--out", out,
                *option)
            results[name] = json.loads(out.read_text())
        hashes = {name: result["protocol_hash"] for name, result in results.items()}
        self.assertEqual(hashes["1"], hashes["moved"])
        self.assertEqual(len(set(hashes.values())), 3)
        self.assertIsNone(results["none"]["clip_rank"])
        self.assertEqual({result["kl_pooled"] for result in results.values()}, {0})
        self.assertEqual(results["1"]["cosine"]["all"]["real"], results["1"]["cosine"]["all"]["generated"])

    def test_a_caption_that_is_missing_is_named(self):
        pictures(self.folder / "real", [(48, 48)] * 2)
        (self.folder / "real/metadata.jsonl").write_text("\n".join(
            json.dumps({"file_name": f"{i:02}.png"} | ({} if i else {"text": "a ship"})) for i in range(2)))
        self.tokenizer()
        done = subprocess.run([TRAINER, "evaluate", "--real", self.folder / "real", "--generated", self.folder / "real",
                               "--out", self.folder / "x.json", "--clip", self.folder / "preset"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("01.png", done.stderr)


class Training(Clip):
    """Batches that hold the whole split: their order changes no sum but the rounding."""

    PAIRS, UPDATES, LR = 10, 4, 2e-4

    def dataset(self):
        made = pictures(self.folder / "data/train", [(48, 48)] * self.PAIRS)
        rows = [{"file_name": f"{i:02}.png", "text": f"a SAR image of {i} ships" + " at sea" * (i % 3)}
                for i in range(self.PAIRS)]
        (self.folder / "data/train/metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
        return made, [row["text"] for row in rows]

    def train(self, model, towers, micro):
        run_dir = self.folder / f"run-{towers}-{micro}"
        run_dir.mkdir()
        document = {
            "run_id": "r", "name": "r", "seed": 3, "device": "cpu", "threads": 1, "resume": [],
            "cache_dir": str(self.folder / "cache"),
            "config": {"job": "clip", "model": {"path": str(model)},
                       "data": {"path": str(self.folder / "data"), "resolution": 48},
                       "clip": {"batch": self.PAIRS, "steps": self.UPDATES, "lr": self.LR, "towers": towers},
                       "train": {"micro_batch": micro}}}
        (run_dir / "run.json").write_text(json.dumps(document))
        run(TRAINER, "train", run_dir)
        events = [json.loads(line) for line in (run_dir / "events.jsonl").read_text().splitlines()]
        losses = [event["values"]["train/loss"] for event in events if event["type"] == "metrics"]
        return load_file(run_dir / "export/clip/model.safetensors"), losses

    def reference(self, model, made, captions, towers, dtype):
        model = copy.deepcopy(model).to(dtype)
        pixels = processor(48)(made, return_tensors="pt").pixel_values.to(dtype)
        ids = self.tokenizer()(captions, padding="max_length", max_length=77, return_tensors="pt").input_ids
        trains = lambda name: name == "logit_scale" or towers == "both" or name.startswith("text_") == (towers == "text")
        named = [(name, value) for name, value in model.named_parameters() if trains(name)]
        optimizer = torch.optim.AdamW(
            [{"params": [value for name, value in named if name != "logit_scale"], "weight_decay": 0.01},
             {"params": [model.logit_scale], "weight_decay": 0.0}], lr=self.LR, betas=(0.9, 0.999), eps=1e-8)
        losses = []
        for _ in range(self.UPDATES):
            optimizer.zero_grad()
            image = unit(model.get_image_features(pixel_values=pixels).pooler_output)
            text = unit(model.get_text_features(input_ids=ids).pooler_output)
            logits = model.logit_scale.exp() * image @ text.T
            own = torch.arange(len(captions))
            loss = (torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)) / 2
            loss.backward()
            torch.nn.utils.clip_grad_norm_([value for _, value in named], 1.0)
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(max=math.log(100))
            losses.append(loss.item())
        return {name: value.detach().double() for name, value in model.state_dict().items()}, losses

    def distance(self, weights, reference, start, part):
        """Of the change of a part's weights; the true gradient of a key's bias is zero."""
        names = [name for name in reference if part(name) and not name.endswith("k_proj.bias")]
        stack = lambda table: torch.cat([table[name].double().flatten() for name in names])
        change = stack(reference) - stack(start)
        self.assertGreater(change.norm().item(), 0)
        return ((stack(weights) - stack(reference)).norm() / change.norm()).item()

    def test_updates_are_those_of_plain_pytorch(self):
        made, captions = self.dataset()
        model = transformers_model("odd")
        folder = self.save(model, "model", 48)
        start = {name: value.double() for name, value in model.state_dict().items()}
        parts = {"image": lambda name: name.startswith("vis"), "text": lambda name: name.startswith("text_"),
                 "scale": lambda name: name == "logit_scale"}
        for towers, micro in (("both", 3), ("both", 10), ("image", 4), ("text", 7)):
            exact, losses = self.reference(model, made, captions, towers, torch.float64)
            rounded, _ = self.reference(model, made, captions, towers, torch.float32)
            ours, told = self.train(folder, towers, micro)
            for got, expected in zip(told, losses, strict=True):
                self.assertLessEqual(abs(got - expected), 1e-5 * expected, (towers, micro))
            for name, part in parts.items():
                if name != "scale" and towers not in ("both", name):
                    for key in filter(part, start):
                        self.assertTrue(torch.equal(ours[key].double(), start[key]), key)
                    continue
                limit = max(1e-4, 10 * self.distance(rounded, exact, start, part))
                self.assertLessEqual(self.distance(ours, exact, start, part), limit, (towers, micro, name))


if __name__ == "__main__":
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)
    unittest.main(argv=["clip_test.py", *sys.argv[2:]])
