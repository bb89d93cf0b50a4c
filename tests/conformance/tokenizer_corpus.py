"""What transformers' CLIPTokenizer makes of generated strings, and whether it reads our folders alike.

usage: tokenizer_corpus.py MERGES_GZ PAD OUR_FOLDER OUT.json COUNT [RESAVED_FOLDER]

The reference is built from the list of merges here, not from OUR_FOLDER, which is only compared. OUT holds
[{"text", "ids", "padded", "with_token"}]; RESAVED_FOLDER receives transformers' own way of saving.
"""

import gzip
import json
import random
import sys

from tokenizers import AddedToken
from transformers import CLIPTokenizer

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
WORDS = """a SAR image of grass field airport runway T-72 tank BMP2 urban area sea ice 0.35m x-band polarisation VV/VH
it's don't we've I'LL they're you'd I'm speckle, multilook; (airport) #1 C++20 100% e.g. naïve café ÅNGSTRÖM""".split()
TRICKY = [BOS, EOS, "<|STARTOFTEXT|>", "<|EndOfText|>", "<sar>", "<SAR>", "x<SAR>y", "!", "!!", "hello!world", "a'sb", "''s",
          "'S", "’s", "\u0130stanbul", "ΣΑΣ", "ǅ", "ẞ", "e\u0301", "\u1100\u1161\u11a8", "ﬁ", "K", "Å", "🚀", "👩‍🚀", "🇩🇪", "✈️",
          "中文字", "日本", "русский", "हिन्दी", "ไทย", "עברית", "العربية", "٣٤", "½", "Ⅷ", "²", "\u00a0", "\u3000", "\t", "\n\r\n",
          "\u200b", "\u200d", "\u2028", "\u0085", "\ufeff", "\x00", "\x1c", "\x7f", "_", "__x__", "&amp;", "&lt;b&gt;", "\\", "</w>", "<w>", "@@", "$9"]
BLOCKS = [(0x21, 0x7E), (0xA0, 0xFF), (0x100, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA), (0x620, 0x64A),
          (0x900, 0x97F), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x20A0, 0x20BF), (0x2150, 0x218B), (0x2190, 0x22FF),
          (0x3040, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xACFF), (0xFF01, 0xFF5E), (0x1F300, 0x1F64F), (0x300, 0x36F)]


def byte_table():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def reference(path, pad):
    lines = gzip.open(path).read().decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]
    table = byte_table()
    tokens = table + [t + "</w>" for t in table] + ["".join(m) for m in merges] + [BOS, EOS]
    return CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=merges, pad_token=pad, model_max_length=77)


def corpus(count):
    rng = random.Random(20240607)
    texts = ["", " ", *TRICKY, *(f"{a}{b}" for a in TRICKY[:12] for b in TRICKY[:12]), "a" * 300, "ab " * 200, "!" * 100]
    while len(texts) < count:
        parts = []
        for _ in range(rng.choice((1, 3, 8, 20, 120))):
            kind = rng.random()
            if kind < 0.5:
                parts.append(rng.choice(WORDS))
            elif kind < 0.75:
                parts.append(rng.choice(TRICKY))
            else:
                low, high = rng.choice(BLOCKS)
                parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
        text = rng.choice(("", " ", " ", "  ", ", ")).join(parts)
        if rng.random() < 0.2:  # inside a word as likely as not
            place = rng.randint(0, len(text))
            text = text[:place] + rng.choice(("<SAR>", "<SAR><SAR>", "<SAR", "SAR>", "<sar>")) + text[place:]
        texts.append(text)
    return texts


def encodings(tokenizer, texts):
    plain = tokenizer(texts, add_special_tokens=False).input_ids
    padded = tokenizer(texts, padding="max_length", max_length=77, truncation=True).input_ids
    return list(zip(plain, padded))


def main():
    merges, pad, ours, out, count = sys.argv[1:6]
    texts = corpus(int(count))
    tokenizer = reference(merges, pad)
    plain = encodings(tokenizer, texts)
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("<SAR>", special=True, normalized=False)]})
    added = encodings(tokenizer, texts)
    theirs = encodings(CLIPTokenizer.from_pretrained(ours), texts)
    wrong = [t for t, a, b in zip(texts, theirs, added) if a != b]
    if wrong:
        sys.exit(f"{len(wrong)} of {len(texts)} strings differ through our folder, the first: {wrong[0]!r}")
    if len(sys.argv) > 6:
        tokenizer.save_pretrained(sys.argv[6])
    with open(out, "w", encoding="utf-8") as file:
        json.dump([{"text": t, "ids": p[0], "padded": p[1], "with_token": a[0]} for t, p, a in zip(texts, plain, added)], file)


if __name__ == "__main__":
    main()
