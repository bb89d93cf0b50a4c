"""Every number of a result document again, by numpy, scipy and scikit-image from the pictures' files.

The argument is a JSON file {result, real, generated, protocol, embeddings, fine_label}: `real` and `generated` are folders
with a metadata.jsonl, paired by order; `fine_label` is the label whose glcm_256 is checked. Prints
{"checked": numbers compared, "worst": [[relative error, key, ours, theirs], …] above 1e-12}."""
import json
import math
import sys
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.ndimage
import tifffile
from PIL import Image
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, hypergeom, multivariate_hypergeom, wasserstein_distance
from skimage.feature import graycomatrix, graycoprops

job = json.load(open(sys.argv[1]))
result = json.load(open(job["result"]))
protocol = job["protocol"]
checked, found = 0, []
FEATURES = ("contrast", "homogeneity", "correlation", "entropy")


def compare(key, ours, theirs):
    global checked
    if isinstance(theirs, dict):
        for name, value in theirs.items():
            compare(f"{key}.{name}", ours[name], value)
        return
    ours, theirs = (np.atleast_1d(np.asarray(side, dtype=float)) for side in (ours, theirs))
    checked += ours.size
    if ours.shape != theirs.shape or not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        error = 1e9  # null where the other is none
    elif np.isnan(ours).all():
        error = 0.0
    else:
        error = float((np.nanmax(np.abs(ours - theirs)) - 1e-12) / max(np.nanmax(np.abs(theirs)), 1e-300))
    if not error <= 1e-12:
        found.append([error, key, ours.ravel()[:4].tolist(), theirs.ravel()[:4].tolist()])


def load(folder):
    """Amplitude as the loader makes it: stored x scale, or over full scale, in float32."""
    pictures, rows = [], [json.loads(line) for line in open(Path(folder) / "metadata.jsonl")]
    for row in rows:
        path = Path(folder) / row["file_name"]
        tiff = path.suffix == ".tif"
        stored = tifffile.imread(path) if tiff else np.asarray(Image.open(path))
        full = 1.0 if stored.dtype.kind == "f" else 255.0 if stored.dtype == np.uint8 else 65535.0
        by = row["scale"] if "scale" in row else 1 / full
        amplitude = (stored.astype(np.float64) * by if "scale" in row else stored / full).astype(np.float32).astype(float)
        if "stretch" in row:
            amplitude = (np.clip(amplitude, 0, 1) * row["stretch"]["reference"]).astype(np.float32).astype(float)
        pictures.append(amplitude)
    return pictures, rows


real, real_rows = load(job["real"])
generated, _ = load(job["generated"])
labels = [row.get("label", "all") for row in real_rows]
pixels = np.concatenate([picture.ravel() for picture in real])
reference = pixels.mean() + 3 * pixels.std()
compare("stretch.reference", result["stretch"]["reference"], reference)
reference = result["stretch"]["reference"]  # digits beyond 1e-12 must not move a pixel to another bin


def stretch(amplitude):
    stretched = np.minimum(1, amplitude / reference).astype(np.float32).astype(float)
    full = 2 ** protocol["bits"] - 1
    return (np.floor(stretched * full + 0.5) / full).astype(np.float32).astype(float)


def counts(stretched):
    return np.histogram(stretched[stretched <= protocol["saturation"]], bins=protocol["bins"], range=(0, 1))[0].astype(float)


def kl(p, q, smoothing):
    return entropy(p + 0.5, q + 0.5) if smoothing == "half" else entropy(p / p.sum() + 1e-10, q / q.sum() + 1e-10)


def check_histograms():
    shown = [[stretch(a) for a in side] for side in (real, generated)]
    histograms = np.array([[counts(s) for s in side] for side in shown])
    smoothing, centres = protocol["smoothing"], (np.arange(protocol["bins"]) + 0.5) / protocol["bins"]
    p, q = histograms.sum(axis=1)
    compare("kl_pooled", result["kl_pooled"], kl(p, q, smoothing))
    compare("jsd_pooled", result["jsd_pooled"], jensenshannon(p, q) ** 2)
    compare("wasserstein1_pooled", result["wasserstein1_pooled"], wasserstein_distance(centres, centres, p, q))
    per_label = {}
    for label in set(labels):
        members = [i for i, own in enumerate(labels) if own == label]
        per_label[label] = kl(*histograms[:, members].sum(axis=1), smoothing)
    compare("kl_per_label", result["kl_per_label"], per_label)
    compare("kl_label_mean", result["kl_label_mean"], np.mean([v for k, v in per_label.items() if labels.count(k) >= 10]))
    for name, side in zip(("real", "generated"), shown):
        shares = [np.mean(s > protocol["saturation"]) for s in side]
        compare(f"saturation_{name}", result[f"saturation_{name}"], np.average(shares, weights=[s.size for s in side]))
        compare(f"images.saturation_{name}", [row[f"saturation_{name}"] for row in result["images"]], shares)
    compare("images.histogram_real", [row["histogram_real"] for row in result["images"]], histograms[0])
    compare("images.histogram_generated", [row["histogram_generated"] for row in result["images"]], histograms[1])
    compare("images.kl", [row["kl"] for row in result["images"]], [kl(a, b, "half") for a, b in zip(*histograms)])


def autocorrelation(image, lag):
    d = image - image.mean()
    return (np.mean(d[:, lag:] * d[:, :-lag]) + np.mean(d[lag:] * d[:-lag])) / 2 / np.mean(d * d)


def looks(image):
    """Mean looks of the eighth of 32 x 32 patches with the most even 8 x 8 block means."""
    patches = []
    for row in range(0, image.shape[0] - 31, 32):
        for col in range(0, image.shape[1] - 31, 32):
            a = image[row:row + 32, col:col + 32]
            if a.std() > 0:
                blocks = a.reshape(4, 8, 4, 8).mean(axis=(1, 3))
                patches.append((blocks.std() / blocks.mean(), a.mean() ** 2 / a.var(), (a**2).mean() ** 2 / (a**2).var()))
    patches.sort(key=lambda patch: patch[0])
    return np.mean([patch[1:] for patch in patches[:min(16, max(1, len(patches) // 8))]], axis=0)


def spectrum(image):
    power = np.abs(scipy.fft.fft2(image - image.mean())) ** 2 / image.size / image.var()
    fy, fx = scipy.fft.fftfreq(image.shape[0]), scipy.fft.fftfreq(image.shape[1])
    ring = np.floor(np.hypot(fy[:, None], fx[None]) * 64 + 0.5).astype(int)
    return [power[ring == k].mean() for k in range(1, 33)]


def check_sides():
    for name, side in (("real", real), ("generated", generated)):
        for lag in (1, 4):
            compare(f"autocorrelation_{name}.{lag}", result[f"autocorrelation_{name}"][str(lag)],
                    np.mean([autocorrelation(a, lag) for a in side]))
        amplitude, intensity = np.mean([looks(a) for a in side], axis=0)
        compare(f"enl_{name}", result[f"enl_{name}"], {"amplitude": amplitude, "intensity": intensity})
        compare(f"spectrum_{name}", result[f"spectrum_{name}"], np.mean([spectrum(a) for a in side], axis=0))


def builtin_mask(stretched):
    """The largest region of blocks whose 3 x 3 surroundings share their steps of mean and variation."""
    height, width = stretched.shape
    rows, cols = -(-height // 16), -(-width // 16)
    padded = np.zeros((3, rows * 16, cols * 16))
    padded[:, :height, :width] = [np.ones_like(stretched), stretched, stretched**2]
    sums = padded.reshape(3, rows, 16, cols, 16).sum(axis=(2, 4))
    n, first, second = (scipy.ndimage.convolve(s, np.ones((3, 3)), mode="constant") for s in sums)
    mean = first / n
    variation = np.sqrt(np.maximum(0, second / n - mean**2)) / np.maximum(mean, 1e-300)
    decibels = 20 * np.log10(np.maximum(mean, 1e-6))
    best, most = None, 0
    for shift_mean, shift_variation in ((0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)):
        kinds = np.floor(decibels / 3 + shift_mean) * 1000 + np.floor(np.where(mean < 1e-6, 0, variation) / 0.35 + shift_variation)
        regions = [scipy.ndimage.label(kinds == kind)[0] == k for kind in np.unique(kinds)
                   for k in range(1, scipy.ndimage.label(kinds == kind)[1] + 1)]
        regions.sort(key=lambda region: np.flatnonzero(region)[0])
        for region in regions:
            if sums[0][region].sum() > most:
                best, most = region, sums[0][region].sum()
    return np.kron(best, np.ones((16, 16), dtype=bool))[:height, :width]


def windows(image, file_name):
    side = [min(64, length) for length in image.shape]
    mask = np.ones(image.shape, dtype=bool)
    if protocol["masks"] == "builtin":
        mask = builtin_mask(image)
    elif protocol["masks"]:
        mask = np.asarray(Image.open(Path(protocol["masks"]) / file_name)) > 0
    fitting = [(row, col) for row in range(0, image.shape[0] - side[0] + 1, 32)
               for col in range(0, image.shape[1] - side[1] + 1, 32)
               if mask[row:row + side[0], col:col + side[1]].all()]
    if len(fitting) > 16:
        fitting = [fitting[(2 * i + 1) * len(fitting) // 32] for i in range(16)]
    return [image[row:row + side[0], col:col + side[1]] for row, col in fitting]


def texture(image, file_name, levels, distances, angles):
    """Feature x distance x angle, the mean over windows; not a number where there is none."""
    means = []
    for window in windows(stretch(image), file_name):
        grey = np.minimum(np.floor(levels * window), levels - 1).astype(np.uint8)
        matrix = graycomatrix(grey, distances, np.radians(angles), levels=levels, symmetric=True, normed=True)
        logs = np.zeros_like(matrix)
        np.log(matrix + 1e-12, where=matrix > 0, out=logs)
        means.append([graycoprops(matrix, name) for name in FEATURES[:3]] + [-np.sum(matrix * logs, axis=(0, 1))])
    return np.mean(means, axis=0) if means else np.full((4, len(distances), len(angles)), np.nan)


def mean_over(values):
    return np.full(values.shape[1:], np.nan) if np.isnan(values).all() else np.nanmean(values, axis=0)


def check_texture():
    distances, angles = protocol["glcm_distances"], protocol["glcm_angles"]
    levels = protocol["glcm_levels"]
    values = np.array([[texture(a, row["file_name"], levels, distances, angles) for a, row in zip(side, real_rows)]
                       for side in (real, generated)])
    keys = [(d, a, f"{distance:g},{angle:g}") for d, distance in enumerate(distances) for a, angle in enumerate(angles)]
    offsets = [(round(distances[d] * math.sin(math.radians(angles[a]))), round(distances[d] * math.cos(math.radians(angles[a]))))
               for d, a, _ in keys]
    first = [i for i, offset in enumerate(offsets) if offset not in offsets[:i]]
    distance = []
    for label in sorted(set(labels)):
        members = [i for i, own in enumerate(labels) if own == label]
        means, own = [mean_over(side[members]) for side in values], values[0, members]
        spread = own[~np.isnan(own[:, 0, 0, 0])].std(axis=0)
        table = result["glcm"][label]
        for f, feature in enumerate(FEATURES):
            compare(f"glcm.{label}.{feature}", [[table[feature][key][side] for _, _, key in keys] for side in ("real", "generated")],
                    [[means[s][f, d, a] for d, a, _ in keys] for s in (0, 1)])
            if len(members) >= 10 and not np.isnan(means).any():
                distance += [abs(means[1][f, d, a] - means[0][f, d, a]) / spread[f, d, a]
                             for d, a, _ in (keys[i] for i in first) if spread[f, d, a] > 0]
        compare(f"glcm.{label}.contrast_normalised", [table["contrast_normalised"][key]["real"] for _, _, key in keys],
                [means[0][0, d, a] / (levels - 1) ** 2 for d, a, _ in keys])
    compare("glcm_distance", result["glcm_distance"], np.mean(distance))
    for f, feature in enumerate(FEATURES):
        for s, side in enumerate(("real", "generated")):
            each = np.array([[values[s, i][f, d, a] for d, a, _ in (keys[k] for k in first)] for i in range(len(labels))])
            ours = [row["glcm_values"][feature][side] or [None] * len(first) for row in result["images"]]
            compare(f"images.glcm_values.{feature}", ours, each)
            ours = [(row["glcm" if s else "glcm_real"] or {feature: None})[feature] for row in result["images"]]
            compare(f"images.glcm.{feature}", ours, each.mean(axis=1))
    measured = ~np.isnan(values[:, :, 0, 0, 0])
    compare("glcm_windows", {side: [result["glcm_windows"][side][key] for key in ("images", "skipped")] for side in ("real", "generated")},
            {side: [own.sum(), (~own).sum()] for side, own in zip(("real", "generated"), measured)})
    compare("glcm_offsets", [[row["rows"], row["columns"], row["length"]] for row in result["glcm_offsets"]],
            [[*offset, math.hypot(*offset)] for offset in offsets])


def check_fine_texture():
    label, angles = job["fine_label"], [0, 135]
    members = [i for i, own in enumerate(labels) if own == label]
    for name, side in (("real", real), ("generated", generated)):
        means = mean_over(np.array([texture(side[i], real_rows[i]["file_name"], 256, [1], angles) for i in members]))
        for f, feature in enumerate(FEATURES):
            compare(f"glcm_256.{label}.{feature}.{name}",
                    [result["glcm_256"][label][feature][f"1,{angle}"][name] for angle in angles], means[f, 0])


def check_ranks():
    unit = {key: np.array(job["embeddings"][key], dtype=np.float32).astype(float) for key in ("real", "generated", "text")}
    unit = {key: rows / np.linalg.norm(rows, axis=1, keepdims=True) for key, rows in unit.items()}
    caption, pool = np.array(job["embeddings"]["caption"]), protocol["rank_pool"]
    similarity = unit["generated"] @ unit["text"].T
    n = len(caption)
    own = similarity[np.arange(n), caption]
    above = (similarity[:, caption] > own[:, None] + 1e-12).sum(axis=1)
    tied = (caption[None] == caption[:, None]).sum(axis=1) - 1
    others, drawn = n - 1, pool - 1
    mid, strict = 1 + drawn * (above + tied / 2) / others, 1 + drawn * above / others
    square = (above + tied / 4) / others - ((above + tied / 2) / others) ** 2
    variance = np.mean(drawn * square * (others - drawn) / (others - 1)) + mid.var()
    mass = np.zeros(2 * drawn + 1)
    for k, t in zip(above, tied):
        if t == 0:
            mass[::2] += hypergeom(others, k, drawn).pmf(np.arange(pool)) / n
            continue
        for b in range(pool):
            for h in range(pool - b):
                mass[2 * b + h] += multivariate_hypergeom.pmf([b, h, drawn - b - h], [k, t, others - k - t], drawn) / n
    median = 1 + int(np.argmax(np.cumsum(mass) > 0.5)) / 2
    ranks = result["clip_rank"]
    compare("clip_rank", ranks, {"mean": mid.mean(), "expected_mean": mid.mean(), "strict_mean": strict.mean(), "variance": variance,
                                 "median": median, "median_floor": math.floor(median), "tie_share": tied.mean() / others, "pool": pool})
    compare("images.rank_mid", [row["rank_mid"] for row in result["images"]], mid)
    compare("images.rank_strict", [row["rank_strict"] for row in result["images"]], strict)
    compare("images.cosine", [row["cosine"] for row in result["images"]], own)
    own_real = np.sum(unit["real"] * unit["text"][caption], axis=1)
    compare("cosine_mean", result["cosine_mean"], {"real": own_real.mean(), "generated": own.mean()})
    for label in set(labels):
        members = [i for i, name in enumerate(labels) if name == label]
        compare(f"clip_rank_per_label.{label}", result["clip_rank_per_label"][label], mid[members].mean())
        compare(f"cosine.{label}", result["cosine"][label], {"real": own_real[members].mean(), "generated": own[members].mean()})


for check in (check_histograms, check_sides, check_texture, check_fine_texture, check_ranks):
    check()
print(json.dumps({"checked": checked, "worst": sorted(found, reverse=True)[:20]}))
