"""Ways in which the folder of a checkpoint comes to harm. The folders are copies made of hard links, so a file is
replaced and never written in place; `pristine` is the folder of another, intact checkpoint."""
import shutil

PAGE = 4096


def replace(file, content):
    file.unlink()
    file.write_bytes(content)


def any_file(folder, random):
    return random.choice(sorted(file for file in folder.iterdir() if ".tmp" not in file.name))


def flip_bit(file, random):
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    replace(file, content)


def cut(folder, pristine, random):
    file = any_file(folder, random)
    replace(file, file.read_bytes()[:random.randrange(file.stat().st_size)])


def grow(folder, pristine, random):
    file = any_file(folder, random)
    replace(file, file.read_bytes() + random.randbytes(random.randint(16, PAGE)))


def flip(folder, pristine, random):
    flip_bit(random.choice(sorted(folder.glob("*.safetensors")) + [folder / "state.json", folder / "model.json"]),
             random)


def flip_manifest(folder, pristine, random):
    flip_bit(folder / "manifest.json", random)


def blank(folder, pristine, random):
    """A page that never reached the disk."""
    file = any_file(folder, random)
    content = bytearray(file.read_bytes())
    begin = random.randrange(len(content)) // PAGE * PAGE
    page = content[begin:begin + PAGE]
    content[begin:begin + PAGE] = (b"\0" if any(page) else b"\xff") * len(page)
    replace(file, content)


def void_manifest(folder, pristine, random):
    content = [b"", b"{}", b"null", b"[]", b"[" * 100_000, random.randbytes(200)]
    replace(folder / "manifest.json", random.choice(content))


def other_manifest(folder, pristine, random):
    replace(folder / "manifest.json", (pristine / "manifest.json").read_bytes())


def other_file(folder, pristine, random):
    name = random.choice(["weights.safetensors", "optimizer.safetensors", "state.json"])
    replace(folder / name, (pristine / name).read_bytes())


def swap(folder, pristine, random):
    one, other = folder / "weights.safetensors", folder / "optimizer.safetensors"
    content = one.read_bytes()
    replace(one, other.read_bytes())
    replace(other, content)


def lose_file(folder, pristine, random):
    any_file(folder, random).unlink()


def folder_for_file(folder, pristine, random):
    file = any_file(folder, random)
    file.unlink()
    file.mkdir()


def dead_link(folder, pristine, random):
    file = any_file(folder, random)
    file.unlink()
    file.symlink_to(random.choice(["nowhere", file.name]))


def file_for_folder(folder, pristine, random):
    shutil.rmtree(folder)
    folder.write_bytes(random.randbytes(random.randrange(100)))


def vanish(folder, pristine, random):
    shutil.rmtree(folder)


def unseal(folder, pristine, random):
    folder.rename(folder.with_name(folder.name + ".tmp"))


# After these nobody who looks into checkpoints/ finds a checkpoint of that step.
GONE = [file_for_folder, vanish, unseal]
KINDS = [cut, grow, flip, blank, void_manifest, other_manifest, other_file, swap, lose_file, folder_for_file,
         dead_link, *GONE]
# Shown only by the digest of the manifest that was recorded when it was sealed.
KINDS_IF_RECORDED = [*KINDS, flip_manifest]


def strew(checkpoints, random):
    """What a killed save leaves behind, which harms nobody."""
    source = any_file(checkpoints, random)
    leftover = checkpoints / "step-00000013.tmp"
    leftover.mkdir()
    for file in source.iterdir():
        content = file.read_bytes()
        (leftover / file.name).write_bytes(content[:random.randrange(len(content))])
    (source / "weights.safetensors.tmp123").write_bytes(b"half")
