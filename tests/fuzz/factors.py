"""What shows that a visitor is who they say: a passkey that was made or is shown, a code of an app, a code from paper."""

import base64
import hashlib
import json
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import cbor2
import pyotp
import webauthn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kernel.errors import Refused
from tests.fuzz import mutation
from tests.fuzz.trial import NotTaken, Read, Target, trusting_the_text
from tests.webui.visitors import TOTP_SECRET
from webui.factors import RelyingParty, recovery, totp
from webui.factors.passkeys import Credential, credential_id_of
from webui.refusals import SHARED

HOST = "https://portal.example.jp"
# A passkey in software (WebAuthn §6.5.1, attestation "none").
PARTY = RelyingParty.of(HOST, "tegata")
CHALLENGE = bytes(range(32))
_PASSKEY = ec.derive_private_key(0x5EED, ec.SECP256R1())
_CREDENTIAL_ID = b"credential of tests"
_COUNT = 5


def _url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _client(kind: str) -> bytes:
    return json.dumps({"type": kind, "challenge": _url(CHALLENGE), "origin": HOST, "crossOrigin": False}).encode()


def _cose() -> bytes:
    numbers = _PASSKEY.public_key().public_numbers()
    return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})


def _authenticator(count: int, *, is_new: bool) -> bytes:
    attested = bytes(16) + len(_CREDENTIAL_ID).to_bytes(2) + _CREDENTIAL_ID + _cose() if is_new else b""
    flags = 0x01 | 0x04 | (0x40 if is_new else 0)  # present, verified, with key
    return hashlib.sha256(b"portal.example.jp").digest() + bytes([flags]) + count.to_bytes(4) + attested


def _answer(**response: bytes) -> bytes:
    named = {"id": _url(_CREDENTIAL_ID), "rawId": _url(_CREDENTIAL_ID), "type": "public-key", "clientExtensionResults": {}}
    return json.dumps({**named, "response": {name: _url(value) for name, value in response.items()}}).encode()


def _made(client: bytes | None = None, data: bytes | None = None) -> bytes:
    """Return what a browser answers that has made a passkey."""
    stated = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data or _authenticator(0, is_new=True)})
    return _answer(clientDataJSON=client or _client("webauthn.create"), attestationObject=stated)


def _shown(client: bytes | None = None, data: bytes | None = None) -> bytes:
    """Return what a browser answers that shows a passkey: whatever it says, it is signed."""
    client, data = client or _client("webauthn.get"), data or _authenticator(_COUNT + 1, is_new=False)
    signature = _PASSKEY.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
    return _answer(clientDataJSON=client, authenticatorData=data, signature=signature)


_ANSWERS = (
    *(
        b"{",
        b"}",
        b"[",
        b'"',
        b"\\",
        b",",
        b":",
        b"null",
        b"1e999",
        b"\\ud800",
        b"\x00",
        b"\xff",
        b"=",
        b"+",
        b"/",
        b"-",
        b"[" * 3_000,
    ),
    *(
        b"webauthn.get",
        b"webauthn.create",
        b"https://evil.example",
        b'"type":"public-key"',
        b'"response":{}',
        b"9" * 30,
        b"A" * 9_000,
    ),
)


def _spoilt_answer(make: Callable[[bytes | None, bytes | None], bytes], data: bytes, kind: str) -> mutation.Mutator:
    """Return what changes an answer: its text, or one of its parts before it is put together, and signed."""

    def mutate(chance: Random, seeds: Sequence[bytes]) -> bytes:
        match chance.randrange(3):
            case 0:
                return mutation.text(*_ANSWERS)(chance, seeds)
            case 1:
                return make(None, mutation.octets(chance, data))
            case _:
                return make(mutation.text(*_ANSWERS)(chance, [_client(kind)]), None)

    return mutate


def _registered(content: bytes) -> Credential:
    return PARTY.registered(content.decode("utf-8", "replace"), CHALLENGE)


def _proven(content: bytes) -> int:
    answer = content.decode("utf-8", "replace")
    known = Credential(_CREDENTIAL_ID, _cose(), _COUNT)
    count = PARTY.proven(answer, CHALLENGE, known)
    if credential_id_of(answer) != _CREDENTIAL_ID:
        raise NotTaken  # another key's, which the book would not find
    return count


def was_asked_here(content: bytes, taken: Credential | int) -> None:
    """See that an answer is to this challenge, for this origin, by a user who was verified, and that its count grew."""
    response = json.loads(content.decode("utf-8", "replace"))["response"]
    # The authenticator signs the octets, so it is the library's matter how kindly it reads them.
    said = json.loads(_octets(response["clientDataJSON"]).decode("utf-8", "ignore"))
    assert _octets(said["challenge"]) == CHALLENGE
    assert said["origin"] == HOST
    if isinstance(taken, int):
        data = _octets(response["authenticatorData"])
        assert taken > _COUNT
    else:
        data = cbor2.loads(_octets(response["attestationObject"]))["authData"]
        assert 0 < len(taken.credential_id) <= 1023
        assert len(taken.public_key) <= 1023
    assert data[:32] == hashlib.sha256(b"portal.example.jp").digest()
    assert data[32] & 0x05 == 0x05


def _octets(text: str) -> bytes:
    return webauthn.base64url_to_bytes(text)


def _for_any_challenge(read: Read) -> Read:
    """Plant a fault: the challenge that an answer names is the one that was asked."""

    def careless(content: bytes) -> Any:  # noqa: ANN401 (what a reader returns)
        try:
            return read(content)
        except Refused:
            said = json.loads(_octets(json.loads(content)["response"]["clientDataJSON"]))
            return PARTY.registered(content.decode(), _octets(said["challenge"]))

    return careless


def _of_copies(read: Read) -> Read:
    """Plant a fault: a count may stand still or go back."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except Refused:
            return PARTY.proven(content.decode("utf-8", "replace"), CHALLENGE, Credential(_CREDENTIAL_ID, _cose(), 0))

    return careless


_RECOVERY = ("ABCD-EFGH-JKMN-PQRS", "2345-6789-ABCD-EFGH")
_KEPT = frozenset(recovery.digest(1, code) for code in _RECOVERY)
_NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
_CODES = tuple(pyotp.TOTP(TOTP_SECRET).at(_NOW, counter_offset=step) for step in (-1, 0, 1))


def _factor(content: bytes) -> str:
    """Tell whether a code as typed opens an account: by the app's code of now, or by one from paper."""
    typed = content.decode("utf-8", "replace")
    if totp.accepted_step(TOTP_SECRET, typed, _NOW, after=0) is None and recovery.digest(1, typed) not in _KEPT:
        raise NotTaken
    return typed


def is_a_code_of_now(_content: bytes, taken: str) -> None:
    """See that what opens is, but for width, case and what stands between, one of the few codes that do."""
    plain = unicodedata.normalize("NFKC", taken)
    symbols = "".join(one for one in plain.upper() if one.isascii() and one.isalnum() and one not in "01IOL")
    assert "".join(plain.split()) in _CODES or symbols in {code.replace("-", "") for code in _RECOVERY}


def _with_more_typed(read: Read) -> Read:
    """Plant a fault: a code counts wherever it stands in what was typed."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except NotTaken:
            typed = content.decode("utf-8", "replace")
            if any(code in typed for code in _CODES):
                return typed
            raise

    return careless


_TYPED_CODES = (
    *(b" ", b"-", b"\x00", b"\xff", b"0", b"1" * 40, b"O", b"l", b"\n", *(code.encode() for code in _CODES)),
    *(one.encode() for one in ("１", "٣", "²", "Ａ", "\u200b", "①", "ß", "ﬀ", "−")),
)
TARGETS = (
    Target(
        "passkey that was made",
        lambda: [_made()],
        lambda: _registered,
        agree=was_asked_here,
        mutate=_spoilt_answer(_made, _authenticator(0, is_new=True), "webauthn.create"),
        planted=(trusting_the_text, _for_any_challenge),
        codes=frozenset(SHARED),
    ),
    Target(
        "passkey that is shown",
        lambda: [_shown()],
        lambda: _proven,
        (Refused, NotTaken),
        was_asked_here,
        _spoilt_answer(_shown, _authenticator(_COUNT + 1, is_new=False), "webauthn.get"),
        (trusting_the_text, _of_copies),
        codes=frozenset(SHARED),
    ),
    Target(
        "code of a second factor",
        lambda: [*(code.encode() for code in (*_CODES, *_RECOVERY)), "ａｂｃｄ ｅｆｇｈ ｊｋｍｎ ｐｑｒｓ".encode()],
        lambda: _factor,
        (NotTaken,),
        is_a_code_of_now,
        mutation.text(*_TYPED_CODES),
        (trusting_the_text, _with_more_typed),
    ),
)
