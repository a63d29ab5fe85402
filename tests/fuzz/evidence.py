"""The readers of what the log hands out and auditors hold: checkpoints, its key, receipts, proofs that it has only grown."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any

from kernel.audit import (
    Checkpoint,
    ConsistencyProof,
    NoteError,
    ProofError,
    Proven,
    Receipt,
    VerifierKey,
    opened,
    prove,
)
from kernel.audit.entries import Content
from kernel.audit.merkle import leaf_hash, node_hash
from tests.fuzz import mutation
from tests.fuzz.answers import JSON
from tests.fuzz.fetched import KEY, NEXT, NOTE, SIGNER
from tests.fuzz.trial import NotTaken, Read, Target, trusting_the_text


@cache
def _checkpoints() -> Sequence[bytes]:
    heads = (Checkpoint(SIGNER.origin, size, hashlib.sha256(b"%d" % size).digest()) for size in (1, 2**40))
    return [SIGNER.signed(head.text).encode() for head in heads]


def _spoilt_note(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a note, or its text and sign that again."""
    spoilt = mutation.text(*NOTE)(chance, seeds)
    if chance.randrange(2):
        return spoilt
    return SIGNER.signed(spoilt.rpartition(b"\n\n")[0].decode("utf-8", "replace") + "\n").encode()


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise NotTaken from error


def _checkpoint(content: bytes) -> Checkpoint:
    return opened(_text(content), KEY.public_key().verify, SIGNER.verifier)


def is_what_was_signed(content: bytes, taken: Checkpoint) -> None:
    """See that a checkpoint, written again, is the text that stands above the signatures."""
    assert content.decode().rpartition("\n\n")[0] + "\n" == taken.text


def _of_any_log(read: Read) -> Read:
    """Plant a fault: numbers may be written in any way."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except NoteError:
            origin, size, root = content.decode().rpartition("\n\n")[0].split("\n")
            return Checkpoint(origin, int(size), base64.b64decode(root))

    return careless


def _vkey(content: bytes) -> VerifierKey:
    return VerifierKey.parse(_text(content))


def is_spelled_in_one_way(content: bytes, taken: VerifierKey) -> None:
    """See that a key has one form."""
    assert str(taken).encode() == content.decode().strip().encode()


@cache
def _evidence() -> Sequence[bytes]:
    """Return what an auditor may hold: receipts of a log of three entries, and a proof that it began with a log of two."""
    contents = [
        Content(
            "2026-11-24T01:00:00.000000+00:00",
            f"staff:{name}",
            "terminal.revoke",
            "terminal:99999W",
            "NAC001",
            {"number": at, "detail": None},
        )
        for at, name in enumerate(("sato", "加藤", "ito"))
    ]
    salts = [bytes([at]) * 16 for at in range(3)]
    leaves = [leaf_hash(one.commitment(salt)) for one, salt in zip(contents, salts, strict=True)]
    left = node_hash(leaves[0], leaves[1])
    older, note = SIGNER.note(2, left), SIGNER.note(3, node_hash(left, leaves[2]))
    first = Receipt(contents[0], salts[0], 0, (leaves[1], leaves[2]), note)
    last = Receipt(contents[2], salts[2], 2, (left,), note)
    grown = ConsistencyProof(2, (leaves[2],), note)
    return [
        first.text().encode(),
        NEXT.join([last.text().encode(), note.encode()]),
        NEXT.join([older.encode(), grown.text().encode(), first.text().encode()]),
    ]


def receipt() -> str:
    """Return a receipt of the log."""
    return _evidence()[0].decode()


def _proven(content: bytes) -> Proven:
    return prove([_text(one) for one in content.split(NEXT)], KEY.public_key().verify, SIGNER.verifier)


def proves_what_was_recorded(_content: bytes, taken: Proven) -> None:
    """See that only entries that were recorded, and only heads that were signed, are proven."""
    known = {read.salt: read.content for read in (Receipt.read(_evidence()[at].split(NEXT)[0].decode()) for at in (0, 1))}
    assert all(known.get(receipt.salt) == receipt.content for receipt, _ in taken.receipts)
    assert {head.size for head in (taken.newest, *taken.older)} <= {2, 3}


def _believing_the_entry(read: Read) -> Read:
    """Plant a fault: a file whose proof is right may say of its entry what it likes."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except ProofError:
            receipt = Receipt.read(_text(content))
            return Proven(
                ((receipt, opened(receipt.note, KEY.public_key().verify)),), opened(receipt.note, KEY.public_key().verify), ()
            )

    return careless


TARGETS = (
    Target(
        "checkpoint",
        _checkpoints,
        lambda: _checkpoint,
        (NoteError, NotTaken),
        is_what_was_signed,
        _spoilt_note,
        (trusting_the_text, _of_any_log),
    ),
    Target(
        "verifier key",
        lambda: [str(SIGNER.verifier).encode()],
        lambda: _vkey,
        (NoteError, NotTaken),
        is_spelled_in_one_way,
        mutation.text(*NOTE, b"+", b"="),
        (trusting_the_text,),
    ),
    Target(
        "evidence of the log",
        _evidence,
        lambda: _proven,
        (ProofError, NoteError, NotTaken),
        proves_what_was_recorded,
        mutation.text(*JSON, *NOTE, b"old 2"),
        (trusting_the_text, _believing_the_entry),
    ),
)
