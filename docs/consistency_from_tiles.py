# ruff: noqa: INP001 (a program of its own: nothing here is tegata's)
"""Make a consistency proof from the status door's tiles: `python3 consistency_from_tiles.py DOOR OLD [NEW] > PROOF`.

DOOR is an address, also file:///… of files that were saved; OLD is a checkpoint or receipt that was kept, NEW a newer one than
that, or else the door's newest. Nothing is believed or checked here: verify_receipt.py does that, with OLD and the PROOF.
RFC 6962 §2.1.2; C2SP tlog-tiles; the PROOF is in the form of C2SP tlog-witness.
"""

import base64
import functools
import hashlib
import json
import pathlib
import sys
import urllib.request

DOOR, OLD, *NEW = sys.argv[1:]
WIDTH = 256


@functools.cache
def get(path: str) -> bytes:
    """Fetch a file of the door, once."""
    with urllib.request.urlopen(f"{DOOR}/{path}", timeout=30) as answer:  # noqa: S310 (the address is the caller's own)
        return bytes(answer.read())


def note_of(file: str) -> str:
    """Return the checkpoint that a file is or has."""
    text = pathlib.Path(file).read_text(encoding="utf-8")
    return str(json.loads(text)["proof"]).split("\n\n", 1)[1] if text.startswith("{") else text


def head(start: int, end: int) -> bytes:
    """Return the hash over the leaves [start, end) out of the tiles."""
    width, level = end - start, ((end - start).bit_length() - 1) // 8
    if width != WIDTH**level:
        middle = start + (1 << (width - 1).bit_length() - 1)
        return hashlib.sha256(b"\1" + head(start, middle) + head(middle, end)).digest()
    number, at = divmod(start // width, WIDTH)
    *above, last = [group.zfill(3) for group in f"{number:,}".split(",")]
    standing = public // width - WIDTH * number
    name = f"tile/{level}/" + "".join(f"x{group}/" for group in above) + last + (f".p/{standing}" if standing < WIDTH else "")
    return get(name)[32 * at : 32 * at + 32]


public = int(get("checkpoint").split(b"\n")[1])
note = note_of(NEW[0]) if NEW else get("checkpoint").decode()
old, size = (int(text.split("\n")[1]) for text in (note_of(OLD), note))
if not 0 < old <= size <= public:
    sys.exit(f"BAD: a log of {old} entries, and later of {size}, is not the beginning of one of {public}")
path, start, end = [], 0, size
while end != old:
    middle = start + (1 << (end - start - 1).bit_length() - 1)
    path.append(head(middle, end) if old <= middle else head(start, middle))
    start, end = (start, middle) if old <= middle else (middle, end)
path += [head(start, end)] if start else []
hashes = "".join(f"{base64.b64encode(sibling).decode()}\n" for sibling in reversed(path))
sys.stdout.write(f"old {old}\n{hashes}\n{note}")
