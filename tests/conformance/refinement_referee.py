"""The refinement terms in plain PyTorch, written from their definition (docs/refinement.md) and not from the
trainer: what a decoded picture [B,3,H,W] in [-1,1] is asked for beside the real one. Works in any float type.

Run as a program it checks its own gradients against finite differences; exits 0 if they agree."""

import math

import torch
from torch.nn import functional as F

SATURATED, LEAST_POWER, LEAST_AMPLITUDE = 0.999, 1e-5, 1e-3


def amplitude(pictures, stretch):
    """Linear amplitude [B,H,W]; the inverses continue below 0 as odd functions."""
    y = (pictures.mean(1) + 1) / 2
    if stretch == "sqrt":
        return y.sign() * y.square()
    if stretch == "log":
        return y.sign() * ((y.abs() * math.log(1001)).exp() - 1) / 1000
    if isinstance(stretch, dict):
        return (stretch["lo"] + y * (stretch["hi"] - stretch["lo"])) / stretch["hi"]
    return y


def box_mean(values, mutant=None):
    """7 x 7, at the edge over the pixels that exist."""
    box = torch.ones(1, 1, 7, 7, dtype=values.dtype)
    total = lambda x: F.conv2d(x.unsqueeze(1), box, padding=3).squeeze(1)
    return total(values) / (49 if mutant == "box_counts_padding" else total(torch.ones_like(values)))


def total(*parts):
    return sum(parts)


def magnitude(*parts):
    """In the place of total(): what rounding goes by where the parts cancel."""
    return sum(part.abs() for part in parts)


def local_rayleigh(decoded, real, mutant=None, add=total):
    power = (box_mean(decoded ** 2, mutant) / 2).clamp(min=LEAST_POWER)
    each = add(power.log(), real ** 2 / (2 * power))
    return torch.stack([e[r <= SATURATED].mean() for e, r in zip(each, real)])


def literal_rayleigh(decoded, real, add=total):
    power = (real ** 2).mean((1, 2), keepdim=True) / 2
    x = decoded.clamp(min=LEAST_AMPLITUDE)
    return add(x ** 2 / (2 * power), -(x / power).log()).mean((1, 2))


def histogram(values, bins, prior):
    """Each of values on [0,1] spreads over the bin centres by a triangle one bin wide; the outer bins keep the rest."""
    place = (values.reshape(-1) * bins - 0.5).clamp(0, bins - 1)
    centres = torch.arange(bins, dtype=place.dtype)
    counts = (1 - (place[:, None] - centres).abs()).clamp(min=0).sum(0) + prior
    return counts / counts.sum()


def divergence(real, decoded, bins, prior=0.5, add=total):
    p, q = histogram(real, bins, prior), histogram(decoded, bins, prior)
    return add(p * (p / q).log()).sum()


def histogram_distance(decoded, real, bins, mutant=None, add=total):
    prior = 1e-10 if mutant == "histogram_without_half_a_count" else 0.5
    counted = lambda picture: picture[picture.detach() <= SATURATED]
    return torch.stack([divergence(counted(r), counted(d), bins, prior, add) for d, r in zip(decoded, real)])


def periodogram(picture):
    """|F|^2 / (H W) of a picture less its mean."""
    return torch.fft.fft2(picture - picture.mean()).abs().square() / picture.numel()


def spectrum(decoded, real, mutant=None, add=total):
    """Whittle's likelihood of the real periodogram under the decoded picture's spectrum, its 5 x 5 circular mean."""
    reach = range(-1, 2) if mutant == "spectrum_over_three" else range(-2, 3)
    losses = []
    for a, r in zip(decoded, real):
        rough = periodogram(a)
        power = sum(rough.roll((y, x), (0, 1)) for y in reach for x in reach) / len(reach) ** 2
        power = power.clamp(min=LEAST_POWER)
        losses.append(add(power.log(), periodogram(r) / power).mean())
    return torch.stack(losses)


def refinement(decoded, real, vae, stretch, mutant=None, add=total):
    """{name: (weight, loss [B])} of the terms that have a weight."""
    made, true = amplitude(decoded, stretch), amplitude(real, stretch)
    if mutant == "amplitude_clamped":
        made = made.clamp(min=0)
    terms = {}
    if weight := vae.get("rayleigh_weight", 0):
        literal = vae.get("rayleigh", "local") == "literal"
        terms["rayleigh"] = weight, (literal_rayleigh(made, true, add) if literal else
                                     local_rayleigh(made, true, mutant, add))
    if weight := vae.get("histogram_weight", 0):
        terms["histogram"] = weight, histogram_distance(made, true, vae.get("histogram_bins", 64), mutant, add)
    if weight := vae.get("spectrum_weight", 0):
        terms["spectrum"] = weight, spectrum(made, true, mutant, add)
    if weight := vae.get("anchor_weight", 0):
        terms["anchor"] = weight, add((decoded - real).abs()).mean((1, 2, 3))
    return terms


def main():
    draw = torch.Generator().manual_seed(3)
    real = torch.rand(2, 3, 9, 9, generator=draw, dtype=torch.float64) * 2 - 1
    decoded = (torch.rand(2, 3, 9, 9, generator=draw, dtype=torch.float64) * 2 - 1.1).requires_grad_()
    for stretch in ("mean3sigma", "sqrt", "log", {"lo": 0.1, "hi": 0.8}):
        for rayleigh in ("local", "literal"):
            vae = {"rayleigh": rayleigh, "rayleigh_weight": 1, "histogram_weight": 1, "spectrum_weight": 1,
                   "anchor_weight": 1, "histogram_bins": 8}
            total = lambda x: sum(w * t for w, t in refinement(x, real, vae, stretch).values())
            torch.autograd.gradcheck(total, decoded, eps=1e-7, atol=1e-5)


if __name__ == "__main__":
    main()
