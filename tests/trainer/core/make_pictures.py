"""Writes pictures of many kinds with Pillow, tifffile and numpy into the folder named by the argument, and
prints what a reader must make of them."""
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import tifffile
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
bits16 = random.integers(0, 65536, (5, 6, 3), dtype=np.uint16)


def add_file(name, values):
    expected[name] = {"shape": values.shape[:2], "mean": values.reshape(-1).tolist()}


def chunk(kind, content):
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def write_png(name, rows, width, height, bits, colour, interlaced=False):
    """A PNG that Pillow cannot write: `rows` are the filtered scanlines."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def scanlines(pixels):
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def adam7(pixels):
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [pixels[top::down, left::right] for top, left, down, right in passes]
    return b"".join(scanlines(part) for part in parts if part.size)


large = random.integers(0, 256, (11, 13), dtype=np.uint8)
write_png("interlaced.png", adam7(large), 13, 11, 8, 0, interlaced=True)
add_file("interlaced.png", large / 255)
assert np.array_equal(np.asarray(Image.open(folder / "interlaced.png")), large)
write_png("rgb16.png", scanlines(bits16.astype(">u2")), 6, 5, 16, 2)
add_file("rgb16.png", bits16.mean(axis=2) / 65535)
write_png("grey_alpha16.png", scanlines(bits16[..., :2].astype(">u2")), 6, 5, 16, 4)
add_file("grey_alpha16.png", bits16[..., 0] / 65535)
add("grey_alpha.png", Image.fromarray(np.dstack([grey8, 255 - grey8]), mode="LA"), grey8 / 255)
transparent = Image.fromarray(rgb).quantize(8)
transparent.info["transparency"] = 3
add("transparent_palette.png", transparent, np.asarray(palette.convert("RGB")).mean(axis=2) / 255)
two_bits = np.repeat(np.arange(4, dtype=np.uint8)[None], 4, axis=0)
write_png("two_bit.png", b"\0\x1b" * 4, 4, 4, 2, 0)
add_file("two_bit.png", two_bits / 3)

Image.fromarray(whole_numbers := random.integers(0, 65536, (9, 8), dtype=np.uint16)).save(
    folder / "lzw.tif", compression="tiff_lzw")
add_file("lzw.tif", whole_numbers / 65535)
for name, options in {"deflate.tif": {"compression": "zlib"},
                      "tiled.tif": {"tile": (16, 16)}, "big_endian.tif": {"byteorder": ">"},
                      "big.tif": {"bigtiff": True}, "strips.tif": {"rowsperstrip": 2}}.items():
    pixels = random.random((21, 19), dtype=np.float32) * 3
    tifffile.imwrite(folder / name, pixels, photometric="minisblack", **options)
    add_file(name, tifffile.imread(folder / name).astype(float))
tifffile.imwrite(folder / "rgb16.tif", bits16, photometric="rgb")
add_file("rgb16.tif", bits16.mean(axis=2) / 65535)

whole = random.random((40, 52), dtype=np.float32) * 5
Image.fromarray(whole).save(folder / "whole.tif")
for height, width in [(16, 20), (40, 20), (80, 104), (23, 52), (7, 91)]:
    resized = np.asarray(Image.fromarray(whole).resize((width, height), Image.Resampling.LANCZOS))
    expected[f"lanczos {height} {width}"] = np.maximum(resized, 0).reshape(-1).tolist()
blocks = (whole[:39, :51].astype(float) ** 2).reshape(13, 3, 17, 3).mean(axis=(1, 3)) ** 0.5
expected["block_mean 3"] = blocks.reshape(-1).tolist()
expected["luma"] = (rgb @ np.array([0.299, 0.587, 0.114]) / 255).reshape(-1).tolist()
expected["first"] = (rgb[..., 0] / 255).reshape(-1).tolist()

Image.fromarray(np.dstack([rgb, grey8[:4, :5]]), mode="CMYK").save(folder / "cmyk.tif")
Image.fromarray(grey8[:1, :1]).save(folder / "one_pixel.png")
Image.fromarray(-real).save(folder / "decibels.tif")
real[2, 1] = np.nan
Image.fromarray(real).save(folder / "nan.tif")
Image.fromarray(grey8).save(folder / "picture.jpg")
(folder / "empty.png").write_bytes(b"")
Image.fromarray(rgb).quantize(8).save(folder / "palette.tif")
Image.fromarray(rgb[..., :2], mode="LA").save(folder / "grey_alpha.tif")
tifffile.imwrite(folder / "white_is_zero.tif", grey8, photometric="miniswhite")
tifffile.imwrite(folder / "complex.tif", real.astype(np.complex64))
tifffile.imwrite(folder / "signed.tif", grey8.astype(np.int16))
tifffile.imwrite(folder / "double.tif", real.astype(np.float64))
tifffile.imwrite(folder / "planes.tif", np.moveaxis(rgb, -1, 0), photometric="rgb", planarconfig="separate")
tifffile.imwrite(folder / "pages.tif", np.stack([grey8] * 2), photometric="minisblack")
real[2, 1] = np.inf
Image.fromarray(real).save(folder / "infinite.tif")
# Headers that promise what the file does not hold.
write_png("bomb.png", b"\0" * 100, 16_000, 16_000, 8, 0)
write_png("huge.png", b"\0" * 100, 1_000_000, 1_000_000, 8, 0)
whole_tiff = bytearray((folder / "grey16.tif").read_bytes())
for tag in (b"\x00\x01", b"\x01\x01"):  # ImageWidth, ImageLength of a little-endian directory
    at = whole_tiff.index(tag, 8)
    whole_tiff[at + 2:at + 12] = struct.pack("<HII", 4, 1, 16_000)
(folder / "bomb.tif").write_bytes(whole_tiff)
print(json.dumps(expected))
