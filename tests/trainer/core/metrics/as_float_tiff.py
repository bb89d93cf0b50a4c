"""Rewrites the 16-bit PNG of a folder as float32 TIFF of their amplitude. The argument is FOLDER; prints how many."""
import json
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

folder = Path(sys.argv[1])
rows = [json.loads(line) for line in open(folder / "metadata.jsonl")]
for row in rows:
    stored = np.asarray(Image.open(folder / row["file_name"])).astype(np.float64)
    (folder / row["file_name"]).unlink()
    row["file_name"] = str(Path(row["file_name"]).with_suffix(".tif"))
    tifffile.imwrite(folder / row["file_name"], (stored * row.pop("scale")).astype(np.float32), photometric="minisblack")
(folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
print(len(rows))
