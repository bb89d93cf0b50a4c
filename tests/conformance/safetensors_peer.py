"""The other side of the safetensors exchange: `write OUT` makes a file, `check IN` reads ours and compares."""

import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
         "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}


def tensors():
    """Values every type holds exactly: 0, 1, 0, 1, … ."""
    made = {name: (torch.arange(6) % 2).reshape(2, 3).to(dtype) for name, dtype in TYPES.items()}
    made["scalar"] = torch.tensor(1.5)
    made["empty"] = torch.zeros(0, 4)
    made["ünïcode \"name\"\n"] = torch.arange(3, dtype=torch.float32)
    return made


def main():
    action, path = sys.argv[1:]
    if action == "write":
        save_file(tensors(), path, metadata={"format": "pt", "who": "peer"})
        return
    ours, wanted = load_file(path), tensors()
    assert ours.keys() == wanted.keys(), sorted(ours.keys() ^ wanted.keys())
    for name, value in wanted.items():
        assert ours[name].dtype == value.dtype and torch.equal(ours[name], value), name
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "who": "ours"}, file.metadata()


if __name__ == "__main__":
    main()
