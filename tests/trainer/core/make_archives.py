"""Writes an archive in each format of Python's tarfile into the folder named by the argument, and
prints where it finds the bytes of every regular file."""
import io
import json
import sys
import tarfile
from pathlib import Path

folder = Path(sys.argv[1])
formats = {"ustar.tar": tarfile.USTAR_FORMAT, "gnu.tar": tarfile.GNU_FORMAT, "pax.tar": tarfile.PAX_FORMAT}
found = {}
for name, kind in formats.items():
    members = {"a.png": b"x" * 1000, "empty.txt": b"", "d" * 90 + "/" + "n" * 80 + ".txt": b"y"}
    if kind != tarfile.USTAR_FORMAT:
        members["l" * 300 + ".json"] = b"{}"
        members["ähre 雷达.png"] = b"z" * 513
    with tarfile.open(folder / name, "w", format=kind) as archive:
        inside = tarfile.TarInfo("a folder")
        inside.type = tarfile.DIRTYPE
        archive.addfile(inside)
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            info.mtime = 1.5 if kind == tarfile.PAX_FORMAT else 1
            archive.addfile(info, io.BytesIO(content))
    with tarfile.open(folder / name) as archive:
        found[name] = [{"name": m.name, "offset": m.offset_data, "size": m.size} for m in archive if m.isfile()]
print(json.dumps(found))
