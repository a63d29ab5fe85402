# ruff: noqa: INP001 (a program of its own: nothing here is tegata's)
"""Check files of tegata's audit log offline, with none of tegata's code: `python3 verify_receipt.py VKEY FILE …`.

VKEY, the log's verifier key, must come from its operator by another way than the files: receipts, checkpoints and consistency
proofs, in the order in which the log grew. Needs `cryptography`. RFC 6962 §2.1; C2SP signed-note, tlog-proof, tlog-witness.
"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(*parts: bytes) -> bytes:
    """Return the hash of some octets."""
    return hashlib.sha256(b"".join(parts)).digest()


def climbed(at: int, last: int, node: bytes, path: list[bytes]) -> tuple[bytes, bytes]:
    """Return the older and the newer tree's head that a path leads to from a node, the `at`-th of those from 0 to `last`."""
    older, newer, inner = node, node, (at ^ last).bit_length()  # above `inner` heights both trees are the same to the left
    for height, sibling in enumerate(path):
        if height >= inner or at >> height & 1:
            older, newer = sha256(b"\1", sibling, older), sha256(b"\1", sibling, newer)
        else:
            newer = sha256(b"\1", newer, sibling)
    return (older, newer) if at <= last and len(path) == inner + (at >> inner).bit_count() else (b"", b"")


sys.excepthook = lambda kind, fault, _trace: sys.stderr.write(f"BAD: {kind.__name__}: {fault}\n")
(name, key_id, key), known = sys.argv[1].split("+", 2), (0, b"")  # `known`: size and root of the log that was shown last
for file in sys.argv[2:] or sys.exit(__doc__):
    text = pathlib.Path(file).read_text(encoding="utf-8")
    receipt = json.loads(text) if text.startswith("{") else None
    *proof, head, signatures = (receipt["proof"] if receipt else text).rsplit("\n\n", 2)
    signed = [base64.b64decode(line.split()[2]) for line in signatures.splitlines() if line.startswith(f"— {name} ")]
    [signature] = [raw[4:] for raw in signed if raw[:4].hex() == key_id]
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:]).verify(signature, f"{head}\n".encode())
    origin, size, root = (read(line) for read, line in zip((str, int, base64.b64decode), head.split("\n"), strict=True))
    words = "".join(proof).removeprefix("c2sp.org/tlog-proof@v1\n").split()  # "index" or "old", a number, hashes; or nothing
    at, path = int(words[1]) if words else size, [base64.b64decode(word) for word in words[2:]]
    if receipt:
        content = [receipt["entry"][part] for part in ("at", "actor", "action", "subject", "office_code", "facts")]
        canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        leaf = sha256(b"\0", sha256(bytes.fromhex(receipt["salt"]), canonical.encode()))
        if climbed(at, size - 1, leaf, path)[1] != root:
            sys.exit(f"BAD: {file}: the entry is not in the log of its checkpoint")
        sys.stdout.write(f"entry {at} of {size}: {canonical}\n")
    elif at < size:
        start = known[1] if at & at - 1 == 0 else path.pop(0)
        shift = (at & -at).bit_length() - 1
        grown = climbed(at - 1 >> shift, size - 1 >> shift, start, path)
        known = (size, root) if at == known[0] and grown == (known[1], root) else (at, b"")
    if origin != name or (known[0] and known != (size, root)):
        sys.exit(f"BAD: {file} is not shown to follow from what came before it")
    known = size, root
sys.stdout.write(f"good: the log {name} of {known[0]} entries\n")
