"""The readers of what our own programs fetch: gateways' lists, revocation lists, for us and for proxies.

Half of what is signed is signed again after it was changed: so the fuzzer also comes behind the signature.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, cast

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from ca import served_lists
from ca.crl_drafts import parts
from ca.served_lists import Expected
from ca.signing import join
from enrollment import gateway_follower, gateway_head
from enrollment.gateway_follower import Follower, Held
from enrollment.gateway_head import Head, ListRefused
from kernel.audit import (
    CheckpointSigner,
)
from server.following import Proxy, RevocationFile
from server.trouble import Trouble
from tests.ca.trial import ADDRESSES, NOW, trial_issuer
from tests.fuzz import mutation
from tests.fuzz.trial import NotTaken, Read, Target, trusting_a_length
from tests.support.clock import SettableClock

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = CheckpointSigner("status.example.jp/gateway", KEY.public_key().public_bytes_raw(), KEY.sign)
# Between the files of an input: head, list, deltas. No text has it.
NEXT = b"\xff\xff"
_FILES = ("head", "5.list", "6.delta", "7.delta")
NOTE = (
    *(b"\n", b"\n\n", b"\xe2\x80\x94 ", b" ", b"-", b"+", b"0", b"-1", b"9" * 20, b"from ", b"\r\n", b"\x00", b"\xff"),
    *(
        "١".encode(),
        "\u2028".encode(),
        b"2026-11-24T01:00:00Z",
        b"9999-12-31T23:59:59Z",
        b"sha256 ",
        b"a" * 64 + b" " + b"b" * 40,
    ),
)


def _line(number: int) -> bytes:
    return gateway_head.line_of(number.to_bytes(4))


def _head(number: int, lines: frozenset[bytes], snapshot: int) -> Head:
    digest = gateway_head.digest(gateway_head.listing(lines))
    return Head(number, NOW, NOW + timedelta(hours=12), number, len(lines), digest, snapshot)


@cache
def _lists() -> Sequence[bytes]:
    """Return what is fetched: a whole list, and a list with two deltas after it."""
    five, six, seven = frozenset(map(_line, range(4))), frozenset(map(_line, range(1, 6))), frozenset(map(_line, range(2, 6)))
    whole = [_head(5, five, 5).note(SIGNER).encode(), gateway_head.listing(five)]
    deltas = [gateway_head.delta(5, five, six), gateway_head.delta(6, six, seven)]
    return [NEXT.join(whole), NEXT.join([_head(7, seven, 5).note(SIGNER).encode(), whole[1], *deltas])]


def _spoilt_list(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change one of the files, and often sign the head again; also for a list that was changed."""
    files = chance.choice(seeds).split(NEXT)
    at = chance.randrange(len(files))
    files[at] = mutation.text(*NOTE)(chance, [files[at]])
    if chance.randrange(2):
        text = files[0].rpartition(b"\n\n")[0] + b"\n"
        if len(files) > 1 and chance.randrange(2):
            text = text.replace(
                hashlib.sha256(seeds[0].split(NEXT)[1]).hexdigest().encode(), hashlib.sha256(files[1]).hexdigest().encode()
            )
        files[0] = SIGNER.signed(text.decode("utf-8", "replace")).encode()
    return NEXT.join(files)


def _taken(content: bytes) -> Held:
    """Take a list as a gateway does that has none yet."""
    files = dict(zip(_FILES, content.split(NEXT), strict=False))

    def fetch(name: str) -> bytes:
        if name not in files:
            raise FileNotFoundError(name)
        return files[name]

    return Follower(SIGNER.verifier, KEY.public_key().verify).take(fetch, None, NOW + timedelta(minutes=1))


def is_the_list_that_was_signed(content: bytes, taken: Held) -> None:
    """See that a list is the one of its head, and that nginx is told of its fingerprints and of nothing else."""
    whole = b"".join(line + b"\n" for line in sorted(taken.lines))
    sent = (*content.split(NEXT), b"")[1]
    if hashlib.sha256(whole).hexdigest() != taken.head.sha256:  # a key of ours signed lines in another order
        assert hashlib.sha256(sent).hexdigest() == taken.head.sha256
        assert frozenset(sent.splitlines()) == taken.lines
    told = gateway_follower.nginx(taken, NOW).splitlines()
    listed = told[told.index("map $ssl_client_fingerprint $tegata_listed {") + 2 :][: len(taken.lines)]
    assert listed == [f"    {line[65:].decode()} 1;" for line in sorted(taken.lines)]
    assert len(told) < len(listed) + 2_000


def _with_any_list(read: Read) -> Read:
    """Plant a fault: whatever the list says, it is the head's."""

    def careless(content: bytes) -> Any:  # noqa: ANN401 (what a reader returns)
        try:
            return read(content)
        except ListRefused:
            files = content.split(NEXT)
            head = gateway_head.opened(files[0].decode(), KEY.public_key().verify, SIGNER.verifier)
            return Held(files[0].decode(), head, frozenset(files[1].split(b"\n")[:-1]))

    return careless


@cache
def _crls() -> Sequence[bytes]:
    """Return lists of the trial issuer: without entries, and with some of every kind."""
    signer = trial_issuer()
    made = []
    for number, count in ((5, 0), (6, 3)):
        builder = x509.CertificateRevocationListBuilder().issuer_name(signer.issuer.certificate.subject)
        builder = (
            builder.last_update(NOW).next_update(NOW + timedelta(days=3)).add_extension(x509.CRLNumber(number), critical=False)
        )
        key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.issuer.public_key)
        builder = builder.add_extension(key_id, critical=False)
        for serial in range(count):
            entry = x509.RevokedCertificateBuilder().serial_number(2**140 + serial).revocation_date(NOW)
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        key = cast("ec.EllipticCurvePrivateKey", signer.key)
        made.append(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))
    return tuple(made)


def _spoilt_crl(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a list, or what is signed in it and sign that again."""
    if chance.randrange(2):
        return mutation.der(chance, seeds)
    signer = trial_issuer()
    with memoryview(chance.choice(seeds)) as view:
        tbs, algorithm, _ = parts(view)
        changed = mutation.der(chance, [bytes(tbs)])
        tbs.release()
    return join(changed, algorithm, signer.issuer.algorithm.sign(signer.key, changed))


EXPECTED = Expected(trial_issuer().issuer, ADDRESSES.crl("trial"), 0, is_delta=False, number=5)


def _served(content: bytes) -> bytes:
    """Look at a list as the check from outside does."""
    for fault in served_lists.faults_of(EXPECTED, ADDRESSES, lambda _: content, NOW + timedelta(hours=1)):
        raise NotTaken(fault)
    return content


def is_signed_as_another_reader_finds(content: bytes, _taken: object) -> None:
    """Let asn1crypto take a list apart and pyca verify it."""
    signed, _, signature = core.SequenceOf.load(content, strict=True, spec=core.Any)
    key = cast("ec.EllipticCurvePublicKey", trial_issuer().issuer.public_key)
    key.verify(core.OctetBitString.load(signature.dump()).native, signed.dump(), ec.ECDSA(hashes.SHA256()))


def _unsigned(read: Read) -> Read:
    """Plant a fault: a list whose signature does not fit is taken, if the frame can be read."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except (NotTaken, Trouble) as refused:
            if "sign" in str(refused):
                return content
            raise

    return careless


@dataclass
class _Kept(Proxy):
    """A file that stays as it is, so that one input does not change the judgement of the next."""

    def write(self, content: str) -> None:
        """Pass over what would be written."""
        self._is_due = bool(content)


def _for_a_proxy() -> Read:
    """Return what judges a list that a proxy shall read, while list 5 is in use."""
    folder = TemporaryDirectory()
    file = Path(folder.name) / "crl.pem"
    file.write_bytes(x509.load_der_x509_crl(_crls()[0]).public_bytes(Encoding.PEM))
    content = [b""]
    authorities = (trial_issuer().issuer.certificate,)
    reading = RevocationFile(
        authorities, ("http://status.example.jp/crl/trial.crl",), lambda _: content[0], _Kept(file), SettableClock(NOW)
    )  # fmt: skip

    def read(given: bytes) -> bytes:
        assert folder.name
        content[0] = given
        reading.once()
        return given

    return read


TARGETS = (
    Target(
        "list of a gateway",
        _lists,
        lambda: _taken,
        (ListRefused, OSError),
        is_the_list_that_was_signed,
        _spoilt_list,
        (_with_any_list,),
    ),
    Target(
        "revocation list as served",
        _crls,
        lambda: _served,
        (NotTaken,),
        is_signed_as_another_reader_finds,
        _spoilt_crl,
        (trusting_a_length, _unsigned),
    ),
    Target(
        "revocation list for a proxy",
        _crls,
        _for_a_proxy,
        (Trouble, OSError),
        is_signed_as_another_reader_finds,
        _spoilt_crl,
        (trusting_a_length, _unsigned),
    ),
)
