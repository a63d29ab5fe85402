# ruff: noqa: INP001 (a program of its own: nothing here is tegata's)
"""Check a receipt of tegata's audit log against its public door, with no code of tegata's.

    python3 verify_receipt.py receipt.json http://status.example.jp "$VKEY" [older-checkpoint …]

With `-` in place of the door nothing is fetched: the receipt is checked against its own signed checkpoint only. Else it
says whether the entry is in the log that is public now, and whether that log still begins with the one of the receipt's
checkpoint and of any older one that was kept. Needs `cryptography` for Ed25519. The verifier key must come from the
operator by another way than the door. RFC 6962 §2.1; C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-proof.
"""

import base64
import functools
import hashlib
import json
import pathlib
import sys
import urllib.request

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


@functools.cache
def get(url: str) -> bytes:
    """Fetch a file of the door, once."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (the address is the caller's own)
        return bytes(answer.read())


def sha256(*parts: bytes) -> bytes:
    """Return the hash of some octets."""
    return hashlib.sha256(b"".join(parts)).digest()


def opened(note: str, vkey: str) -> tuple[int, bytes]:
    """Return size and root of a checkpoint that the key has signed; raises for any other."""
    name, key_id, key = vkey.split("+", 2)
    text, signatures = note.rsplit("\n\n", 1)
    ours = [base64.b64decode(line.split()[2]) for line in signatures.splitlines() if line.split()[:2] == ["—", name]]
    [signature] = [raw[4:] for raw in ours if raw[:4].hex() == key_id]
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(signature, f"{text}\n".encode())
    if text.split("\n")[0] != name:
        sys.exit("BAD: the key's signature is of another log")
    return int(text.split("\n")[1]), base64.b64decode(text.split("\n")[2])


def node(door: str, size: int, start: int, width: int) -> bytes:
    """Return the hash over `width` leaves, a power of two, out of the door's tiles."""
    level, inner = divmod(width.bit_length() - 1, 8)
    tile, first = divmod(start >> 8 * level, 256)
    *above, last = [group.zfill(3) for group in f"{tile:,}".split(",")]
    full = (tile + 1) * 256 <= size >> 8 * level
    partial = "" if full else f".p/{(size >> 8 * level) % 256}"
    raw = get(f"{door}/tile/{level}/" + "".join(f"x{group}/" for group in above) + last + partial)
    hashes = [raw[32 * at : 32 * at + 32] for at in range(first, first + (1 << inner))]
    while len(hashes) > 1:
        hashes = [sha256(b"\1", *hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def head(start: int, end: int, known: dict[tuple[int, int], bytes], cuts: set[int], source: tuple[str, int]) -> bytes:
    """Return the hash over the leaves [start, end): from tiles, unless it is known or a cut lies within."""
    width = end - start
    if (start, end) not in known:
        if width & (width - 1) == 0 and not any(start < cut < end for cut in cuts):
            known[start, end] = node(*source, start, width)
        else:
            middle = start + (1 << (width - 1).bit_length() - 1)
            halves = head(start, middle, known, cuts, source), head(middle, end, known, cuts, source)
            known[start, end] = sha256(b"\1", *halves)
    return known[start, end]


def led_to(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the head that a receipt's own path leads to (RFC 9162 §2.1.3.2)."""
    place, last, head_of = index, size - 1, leaf
    for sibling in path:
        if place & 1 or place == last:
            head_of = sha256(b"\1", sibling, head_of)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            head_of = sha256(b"\1", head_of, sibling)
        place, last = place >> 1, last >> 1
    return head_of if last == 0 and index < size else b""


def main(file: str, door: str, vkey: str, *kept: str) -> str:
    """Return what is proven; exit or raise when something is not."""
    receipt = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    proof, note = receipt["proof"].split("\n\n", 1)
    index = int(proof.split("\n")[1].removeprefix("index "))
    content = [receipt["entry"][name] for name in ("at", "actor", "action", "subject", "office_code", "facts")]
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    leaf = sha256(b"\0", sha256(bytes.fromhex(receipt["salt"]), canonical))
    if door == "-":
        if kept:
            sys.exit("BAD: older checkpoints can only be compared with the public log: name its door instead of -")
        size, root = opened(note, vkey)
        if led_to(leaf, index, size, [base64.b64decode(line) for line in proof.split("\n")[2:]]) != root:
            sys.exit("BAD: the receipt does not lead to its checkpoint")
        return f"good: entry {index} of the checkpoint of {size}: {canonical.decode()}\n"
    size, root = opened(get(f"{door}/checkpoint").decode(), vkey)
    older = [opened(text, vkey) for text in (note, *(pathlib.Path(name).read_text(encoding="utf-8") for name in kept))]
    if max(old_size for old_size, _ in older) > size:
        sys.exit("BAD: the public log is shorter than it was")
    # The leaf is put where it should stand and the head is computed around it; so every hash used is proven on the way.
    known, cuts = {(index, index + 1): leaf}, {index, index + 1, *(old_size for old_size, _ in older)}
    if index >= size or head(0, size, known, cuts, (door, size)) != root:
        sys.exit("BAD: the entry is not in the public log")
    if any(head(0, old_size, known, cuts, ("", 0)) != old_root for old_size, old_root in older):
        sys.exit("BAD: the public log is not the one that was signed for before")
    return f"good: entry {index} of {size}: {canonical.decode()}\n"


if __name__ == "__main__":
    sys.stdout.write(main(*sys.argv[1:]))
