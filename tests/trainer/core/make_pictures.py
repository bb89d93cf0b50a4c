"""Writes pictures of many kinds with Pillow and numpy into the folder named by the argument, and
prints what a reader must make of them."""
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

folder = Path(sys.argv[1])
random = np.random.default_rng(1)
grey8 = random.integers(0, 256, (5, 7), dtype=np.uint8)
grey16 = random.integers(0, 65536, (6, 4), dtype=np.uint16)
rgb = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
real = random.random((5, 3), dtype=np.float32) * 40
expected = {}


def add(name, image, values):
    image.save(folder / name)
    expected[name] = {"shape": values.shape[:2], "mean": values.reshape(-1).tolist()}


add("grey8.png", Image.fromarray(grey8), grey8 / 255)
add("grey16.png", Image.fromarray(grey16), grey16 / 65535)
add("rgb.png", Image.fromarray(rgb), rgb.mean(axis=2) / 255)
palette = Image.fromarray(rgb).quantize(8)
add("palette.png", palette, np.asarray(palette.convert("RGB")).mean(axis=2) / 255)
add("alpha.png", Image.fromarray(np.dstack([rgb, grey8[:4, :5]])), rgb.mean(axis=2) / 255)
bits = Image.fromarray((grey8 > 127).astype(np.uint8) * 255).convert("1")
add("one_bit.png", bits, (grey8 > 127).astype(float))
add("float.tif", Image.fromarray(real), real.astype(float))
add("grey16.tif", Image.fromarray(grey16), grey16 / 65535)
expected["luma"] = (rgb @ np.array([0.299, 0.587, 0.114]) / 255).reshape(-1).tolist()
expected["first"] = (rgb[..., 0] / 255).reshape(-1).tolist()

Image.fromarray(np.dstack([rgb, grey8[:4, :5]]), mode="CMYK").save(folder / "cmyk.tif")
Image.fromarray(grey8[:1, :1]).save(folder / "one_pixel.png")
Image.fromarray(-real).save(folder / "decibels.tif")
real[2, 1] = np.nan
Image.fromarray(real).save(folder / "nan.tif")
Image.fromarray(grey8).save(folder / "picture.jpg")
print(json.dumps(expected))
