"""What it takes for two trainings to agree: every number of one is as near to the fp32 referee as ten times that
referee's own distance from its fp64 twin, or as the floor given here (docs/replay.md)."""

import statistics

import torch

FLOOR = {"loss": 1e-5, "term": 1e-5, "gradient": 1e-5, "norm": 2e-5, "change": 1e-4, "tensor": 1e-4}
# Half a unit in bf16's last place is 2e-3, and both sides round everywhere, differently: ours keeps activations in
# bf16 between operations, the referee's autocast returns norms in fp32. A single tensor's gradient was seen 8e-2 from
# fp64 where autocast was 2.4e-2; sums over all of them agree far better. Ours may be four times as far as autocast is.
# A tensor's change under Adam goes by the signs of its gradients: it is only asked to be no other tensor's.
NARROW = {"loss": 4e-3, "term": 1e-2, "gradient": 1e-1, "norm": 2e-2, "change": 5e-2, "tensor": 5e-1}
TERMS = ("rayleigh", "histogram", "spectrum", "anchor")
# Adding a constant to all keys changes no softmax: these gradients are zero but for rounding.
ZERO_GRADIENTS = ("k_proj.bias", "to_k.bias")
PARTS = ("unet.", "text_encoder.", "text_encoder_2.", "vae.", "clip_", "ema.")


def distance(a, b):
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    return ((a - b).norm() / b.norm().clamp_min(1e-300)).item()


def bulk_distance(a, b):
    """Without the hundredth that is worst, one element at least. Adam's first step is the gradient's sign: where an
    element's gradient is nothing but rounding, its change is a coin's."""
    errors = (a.double() - b.double()).flatten().abs()
    left_out = max(1, len(errors) // 100) if len(errors) > 2 else 0
    errors = errors[errors <= errors.kthvalue(len(errors) - left_out).values]
    return (errors.norm() / b.double().norm().clamp_min(1e-300)).item()


DISTANCE = {"tensor": bulk_distance}


def changes(result, start):
    """How far each trained tensor, and each average, went."""
    return {name: value.double() - start[name.removeprefix("ema.")].double()
            for name, value in sorted(result["final"].items()) if not name.endswith(ZERO_GRADIENTS)}


def quantities(result, start):
    """(kind, …, name) -> value, of everything that is judged."""
    found = {}
    for part in ("micro", "updates"):
        for index, numbers in enumerate(result.get(part, [])):
            for name, value in numbers.items():
                kind = "norm" if name == "grad_norm" else "term" if name in TERMS else "loss"
                found[kind, part, index, name] = value
    for name, value in result.get("gradients", {}).items():
        if not name.endswith(ZERO_GRADIENTS):
            found["gradient", name] = value
    moved = changes(result, start)
    for part in PARTS:
        change = [value.flatten() for name, value in moved.items() if name.startswith(part)]
        if change:
            found["change", part] = torch.cat(change)
    # All parts are sums of these; a small tensor hides in its part.
    return found | {("tensor", name): value for name, value in moved.items() if value.any()}


def untouched(result, start):
    """Tensors that no update changed: those without gradient."""
    return {name for name, value in start.items()
            if torch.equal(result["final"][name].double(), value.double())}


def roundings(reference, exact):
    """By key, how far the fp32 `reference` is from its fp64 twin. A tensor may come nearer than its arithmetic
    deserves: it counts as no nearer than half of the others of its kind."""
    theirs, truth = (quantities(r, reference["start"]) for r in (reference, exact))
    found = {key: DISTANCE.get(key[0], distance)(theirs[key], truth[key]) for key in theirs.keys() & truth.keys()}
    for kind in ("gradient", "tensor"):
        own = {key: value for key, value in found.items() if key[0] == kind}
        typical = statistics.median(own.values()) if own else 0.0
        found |= {key: max(value, typical) for key, value in own.items()}
    return found


def stored_rounding(reference, name):
    """How far a tensor's change may be off because fp32 keeps it: half a unit in the last place of its values, on
    both sides in every update, over the change."""
    value, start = reference["final"][name].double(), reference["start"][name.removeprefix("ema.")].double()
    return 2 * len(reference["updates"]) * 2.0**-24 * (value.norm() / (value - start).norm()).item()


def least_allowance(key, value, floor, reference):
    kind, *_, name = key
    if kind == "tensor":
        return max(floor, stored_rounding(reference, name))
    if kind == "term":  # of the parts whose sum it is: ln s and a^2/2s may cancel
        return floor * reference["magnitudes"][key[2]][name] / abs(value)
    return floor


def disagreements(ours, reference, rounding, narrow):
    """Sentences; empty if `ours` agrees with `reference` (`narrow`: bf16 with its fp64 twin), whose roundings() are
    given."""
    start = reference["start"]
    mine, theirs = quantities(ours, start), quantities(reference, start)
    faults = [f"{key}: only on one side" for key in mine.keys() ^ theirs.keys()]
    faults += [f"{name}: changed on one side alone"
               for name in untouched(ours, start) ^ untouched(reference, start)]
    floor, share = (NARROW, 4) if narrow else (FLOOR, 10)
    for key in mine.keys() & theirs.keys():
        allowed = max(least_allowance(key, theirs[key], floor[key[0]], reference), share * rounding.get(key, 0.0))
        got = DISTANCE.get(key[0], distance)(mine[key], theirs[key])
        if not got <= allowed:
            faults.append(f"{key}: {got:.2e} apart, {allowed:.2e} allowed")
    return faults
