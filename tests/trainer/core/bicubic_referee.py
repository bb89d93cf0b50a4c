"""Pillow's bicubic resize of eight-bit pictures, and CLIP's way into its image tower.

bicubic_referee.py SEED; prints [{"from": [h, w], "to": [h, w] | side, "codes": […], "expected": […]}, …]."""

import json
import sys

import numpy as np
from PIL import Image

LONGEST = 72


def picture(draw):
    height, width = (int(n) for n in draw.integers(1, LONGEST, 2))
    kind = draw.integers(4)
    if kind == 0:  # overshoots on both sides
        return draw.choice(np.array([0, 255], np.uint8), (height, width))
    if kind == 1:
        return np.full((height, width), draw.integers(256), np.uint8)
    if kind == 2:  # speckle
        return np.minimum(255, 90 * draw.rayleigh(size=(height, width))).astype(np.uint8)
    return draw.integers(0, 256, (height, width), np.uint8)


def case(codes, to, result):
    return {"from": list(codes.shape), "to": to, "codes": codes.reshape(-1).tolist(),
            "expected": np.asarray(result).reshape(-1).tolist()}


def resized(draw):
    codes = picture(draw)
    height, width = (int(n) for n in draw.integers(1, LONGEST, 2))
    if draw.integers(4) == 0:
        height = codes.shape[0]  # one way only
    image = Image.fromarray(codes)
    result = image.resize((width, height), Image.Resampling.BICUBIC)
    colour = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    assert all(np.array_equal(np.asarray(result), np.asarray(colour)[..., c]) for c in range(3))
    return case(codes, [height, width], result)


def square(draw):
    codes = picture(draw)
    side = int(draw.integers(1, LONGEST))
    height, width = codes.shape
    short, long = min(height, width), max(height, width)
    following = int(side * long / short)
    size = (side, following) if width <= height else (following, side)
    image = Image.fromarray(codes).resize(size, Image.Resampling.BICUBIC)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return case(codes, side, image.crop((left, top, left + side, top + side)))


draws = np.random.default_rng(int(sys.argv[1]))
print(json.dumps([resized(draws) for _ in range(150)] + [square(draws) for _ in range(50)]))
