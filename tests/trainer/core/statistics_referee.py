"""Mean and standard deviation of the central 64 x 64 pixels, as float32 amplitude, of all pictures of
the split folder named by the argument."""
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

folder = Path(sys.argv[1])
rows = [json.loads(line) for line in open(folder / "metadata.jsonl")]
parts = []
for row in rows:
    stored = np.asarray(Image.open(folder / row["file_name"])).astype(np.float64)
    top, left = (np.array(stored.shape) - 64) // 2
    amplitude = (stored * row["scale"]).astype(np.float32)
    parts.append(amplitude[top : top + 64, left : left + 64].astype(np.float64))
pixels = np.stack(parts)
print(json.dumps({"n": len(rows), "mean": pixels.mean(), "sigma": pixels.std()}))
