"""The readers of EST and SCEP: bodies in base64, and what is signed, encrypted and inside."""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from asn1crypto import cms as syntax
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ca import requests
from ca.requests import RequestedKey
from enrollment.protocols.est import bodies
from enrollment.protocols.est.bodies import BodyError
from enrollment.protocols.scep import ber, cms, messages
from enrollment.protocols.scep.failures import MalformedError, ScepFault
from enrollment.protocols.scep.messages import Enrolment, PkiMessage
from kernel.errors import Refused
from tests.fuzz import mutation
from tests.fuzz.trial import Read, Target, trusting_a_length, trusting_the_text
from tests.support.clock import MORNING
from tests.support.scep_client import (
    SIGNING_TIME,
    Draft,
    Sealed,
    client_key,
    message,
    named,
    request_of,
    self_signed,
)

CHALLENGE = "1234567890128-NAC999W-23456Z-ABCDE-NAC001"
_BASE64 = (b"=", b"\n", b"\r\n", b" ", b"$", b"\x00", b"-", b"_", b"MII", b"A" * 70, b"-----")


@cache
def _requests() -> tuple[bytes, ...]:
    keys = (client_key(), ec.generate_private_key(ec.SECP256R1()))
    return (*(request_of(key, CHALLENGE) for key in keys), request_of(keys[1]))


@cache
def _recipient() -> x509.Certificate:
    return self_signed(client_key())


def _draft() -> Draft:
    return message(_requests()[1], _recipient())


def _messages() -> Sequence[bytes]:
    dated = _draft()
    dated.set(SIGNING_TIME, b"\x17\x0d" + MORNING.strftime("%y%m%d%H%M%SZ").encode())
    return [_draft().der(), dated.der()]


def _envelopes() -> Sequence[bytes]:
    return [Sealed(_requests()[1], _recipient()).der(), Sealed(b"short", _recipient()).der()]


def _names() -> Sequence[bytes]:
    return [named(_recipient()).dump()]


def _read_body(content: bytes) -> RequestedKey:
    """Read a body as EST's door does."""
    request = bodies.decode(content)
    bodies.asks_for_encryption(request)
    return requests.read(request)


def _read_message(content: bytes) -> PkiMessage:
    """Read a message up to its signature."""
    found = messages.read(content)
    found.message_type  # noqa: B018 (reading is what may raise)
    said = found.signing_time
    if isinstance(said, datetime):
        abs(said - MORNING) > timedelta(days=1)  # noqa: B015 (so does the door, and both must have a zone)
    return found


def _verified(content: bytes) -> PkiMessage:
    """Read a message and verify it."""
    found = messages.read(content)
    found.verify()
    return found


def _open(content: bytes) -> bytes:
    return cms.read_envelope(content, _recipient()).open(client_key())


def as_asn1crypto_reads(content: bytes, taken: PkiMessage) -> None:
    """Let another reader find the transaction in the same octets."""
    [info] = syntax.ContentInfo.load(ber.definite(content))["content"]["signer_infos"]
    found = {one["type"].dotted: one["values"] for one in info["signed_attrs"]}
    assert found[messages.TRANSACTION_ID][0].native == taken.transaction.id


def is_definite(_content: bytes, taken: bytes) -> None:
    """Hold what was made definite to stay so."""
    assert ber.definite(taken) == taken


def proves_its_key(_content: bytes, taken: Enrolment) -> None:
    """Let the authority's own reader judge the request."""
    assert requests.read(taken.request).public_key == taken.public_key


def _without_signature(read: Read) -> Read:
    """Plant a fault: of a message that is not verified, the attributes are believed."""

    def careless(content: bytes) -> Any:  # noqa: ANN401 (what a reader returns)
        try:
            return read(content)
        except ScepFault:
            found = messages.read(content)
            if found.transaction.id != "a transaction":
                raise AssertionError("believed what nobody signed") from None
            return found

    return careless


TARGETS = (
    Target(
        "EST body",
        lambda: [base64.b64encode(one) for one in _requests()],
        lambda: _read_body,
        (BodyError, Refused),
        mutate=mutation.text(*_BASE64),
        planted=(trusting_the_text,),
    ),
    Target("BER", _messages, lambda: ber.definite, (ValueError,), is_definite),
    Target("SCEP message", _messages, lambda: _read_message, (MalformedError, ScepFault), as_asn1crypto_reads),
    Target("SCEP signature", _messages, lambda: _verified, (MalformedError, ScepFault), planted=(_without_signature,), fewest=0),
    Target("SCEP envelope", _envelopes, lambda: _open, (ScepFault,)),
    Target("SCEP request", _requests, lambda: messages.enrolment, (ScepFault, Refused), proves_its_key, fewest=1),
    Target("SCEP name and number", _names, lambda: messages.asked_certificate, (ScepFault,), planted=(trusting_a_length,)),
)
