"""The metrics of real pictures by numpy and scipy. The argument is FOLDER,NAME,NAME,…: the first half of
the names is the real side, the rest the generated one."""
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, wasserstein_distance

folder, *names = [part for part in sys.argv[1].split(",") if part]
rows = {row["file_name"]: row for row in map(json.loads, open(Path(folder) / "metadata.jsonl"))}
images = []
for name in names:
    stored = np.asarray(Image.open(Path(folder) / name)).astype(np.float64)
    images.append((stored * rows[name]["scale"]).astype(np.float32).astype(np.float64))

pixels = np.concatenate([image.ravel() for image in images])
reference = pixels.mean() + 3 * pixels.std()
stretched = [np.minimum(1, image / reference).astype(np.float32).astype(np.float64) for image in images]
half = len(images) // 2
real = np.concatenate([image.ravel() for image in stretched[:half]])
generated = np.concatenate([image.ravel() for image in stretched[half:]])


def counts(values):
    return np.histogram(values[values <= 0.999], bins=256, range=(0, 1))[0].astype(float)


p, q = counts(real), counts(generated)
pe, qe = p / p.sum() + 1e-10, q / q.sum() + 1e-10
centres = (np.arange(256) + 0.5) / 256


def autocorrelation(image, lag):
    d = image - image.mean()
    across = np.mean(d[:, lag:] * d[:, :-lag])
    along = np.mean(d[lag:] * d[:-lag])
    return (across + along) / 2 / np.mean(d * d)


print(json.dumps({
    "reference": reference,
    "saturation": float(np.mean(real > 0.999)),
    "kl_eps": entropy(pe, qe),
    "kl_half": entropy(p + 0.5, q + 0.5),
    "jsd": jensenshannon(p, q) ** 2,
    "wasserstein1": wasserstein_distance(centres, centres, p, q),
    "autocorrelation_1": float(np.mean([autocorrelation(image, 1) for image in images])),
    "autocorrelation_4": float(np.mean([autocorrelation(image, 4) for image in images])),
}))
