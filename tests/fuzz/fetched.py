"""The readers of what our own programs fetch: gateways' lists, revocation lists, the log's notes and receipts, doors' answers.

Half of what is signed is signed again after it was changed: so the fuzzer also comes behind the signature.
"""

import base64
import hashlib
import http.client
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, cast

from asn1crypto import crl as asn1_crl
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
from enrollment.client import chain, connection
from enrollment.client.issued import certificates_of
from enrollment.gateway_follower import Follower, Held
from enrollment.gateway_head import Head, ListRefused
from kernel.audit import (
    Checkpoint,
    CheckpointSigner,
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
from kernel.errors import Refused
from server.following import Proxy, RevocationFile
from server.trouble import Trouble
from tests.ca.trial import ADDRESSES, NOW, trial_issuer
from tests.fuzz import mutation, samples
from tests.fuzz.trial import NotTaken, Read, Target, trusting_a_length, trusting_the_text
from tests.support.clock import SettableClock

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = CheckpointSigner("status.example.jp/gateway", _KEY.public_key().public_bytes_raw(), _KEY.sign)
# Between the files of an input: head, list, deltas. No text has it.
_NEXT = b"\xff\xff"
_FILES = ("head", "5.list", "6.delta", "7.delta")
_NOTE = (
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
    return [_NEXT.join(whole), _NEXT.join([_head(7, seven, 5).note(SIGNER).encode(), whole[1], *deltas])]


def _spoilt_list(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change one of the files, and often sign the head again; also for a list that was changed."""
    files = chance.choice(seeds).split(_NEXT)
    at = chance.randrange(len(files))
    files[at] = mutation.text(*_NOTE)(chance, [files[at]])
    if chance.randrange(2):
        text = files[0].rpartition(b"\n\n")[0] + b"\n"
        if len(files) > 1 and chance.randrange(2):
            text = text.replace(
                hashlib.sha256(seeds[0].split(_NEXT)[1]).hexdigest().encode(), hashlib.sha256(files[1]).hexdigest().encode()
            )
        files[0] = SIGNER.signed(text.decode("utf-8", "replace")).encode()
    return _NEXT.join(files)


def _taken(content: bytes) -> Held:
    """Take a list as a gateway does that has none yet."""
    files = dict(zip(_FILES, content.split(_NEXT), strict=False))

    def fetch(name: str) -> bytes:
        if name not in files:
            raise FileNotFoundError(name)
        return files[name]

    return Follower(SIGNER.verifier, _KEY.public_key().verify).take(fetch, None, NOW + timedelta(minutes=1))


def is_the_list_that_was_signed(_content: bytes, taken: Held) -> None:
    """See that a list is the one of its head, and that nginx is told of its fingerprints and of nothing else."""
    assert hashlib.sha256(b"".join(line + b"\n" for line in sorted(taken.lines))).hexdigest() == taken.head.sha256
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
            files = content.split(_NEXT)
            head = gateway_head.opened(files[0].decode(), _KEY.public_key().verify, SIGNER.verifier)
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
    read = asn1_crl.CertificateList.load(content, strict=True)
    signed = read["tbs_cert_list"].dump()
    key = cast("ec.EllipticCurvePublicKey", trial_issuer().issuer.public_key)
    key.verify(read["signature"].native, signed, ec.ECDSA(hashes.SHA256()))


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


@cache
def _checkpoints() -> Sequence[bytes]:
    heads = (Checkpoint(SIGNER.origin, size, hashlib.sha256(b"%d" % size).digest()) for size in (1, 2**40))
    return [SIGNER.signed(head.text).encode() for head in heads]


def _spoilt_note(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change a note, or its text and sign that again."""
    spoilt = mutation.text(*_NOTE)(chance, seeds)
    if chance.randrange(2):
        return spoilt
    return SIGNER.signed(spoilt.rpartition(b"\n\n")[0].decode("utf-8", "replace") + "\n").encode()


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise NotTaken from error


def _checkpoint(content: bytes) -> Checkpoint:
    return opened(_text(content), _KEY.public_key().verify, SIGNER.verifier)


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
        _NEXT.join([last.text().encode(), note.encode()]),
        _NEXT.join([older.encode(), grown.text().encode(), first.text().encode()]),
    ]


def _proven(content: bytes) -> Proven:
    return prove([_text(one) for one in content.split(_NEXT)], _KEY.public_key().verify, SIGNER.verifier)


def proves_what_was_recorded(_content: bytes, taken: Proven) -> None:
    """See that only entries that were recorded, and only heads that were signed, are proven."""
    known = {read.salt: read.content for read in (Receipt.read(_evidence()[at].split(_NEXT)[0].decode()) for at in (0, 1))}
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
                ((receipt, opened(receipt.note, _KEY.public_key().verify)),), opened(receipt.note, _KEY.public_key().verify), ()
            )

    return careless


_JSON = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b",",
        b":",
        b"null",
        b"true",
        b"1e999",
        b"NaN",
        b"9" * 30,
        b"-1",
        b"\\u0000",
        b"\\ud800",
    ),
    *(b"\x00", b"\xff", b"[" * 3_000, b'"entry": 1,', b'"salt": "zz",', b'"proof": [],', b"\n\n"),
)
_HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nDate: Tue, 24 Nov 2026 01:00:00 GMT\r\n%s\r\n"


@cache
def _answers() -> Sequence[bytes]:
    """Return answers of doors: certificates, refusals, pleas to come again; whole, in pieces and to the end of the stream."""
    pem = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode() for der in samples.certificates()]
    given = json.dumps({"certificate": pem[1], "chain": pem[0]}).encode()
    return [
        _HEAD % (b"201 Created", b"Content-Length: %d\r\n" % len(given)) + given,
        _HEAD % (b"200 OK", b"Transfer-Encoding: chunked\r\n") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(given), given),
        _HEAD % (b"200 OK", b"Connection: close\r\n") + given,
    ]


@cache
def _refusals() -> Sequence[bytes]:
    """Return what doors answer that give no certificate: why not, or when to come again."""
    refused = json.dumps({"code": "A0018", "title": "確認", "title_en": "Check", "detail": "x"}, ensure_ascii=False).encode()
    return [
        _HEAD % (b"403 Forbidden", b"Content-Length: %d\r\n" % len(refused)) + refused,
        _HEAD % (b"503 Service Unavailable", b"Retry-After: Tue, 24 Nov 2026 01:00:30 GMT\r\nContent-Length: 0\r\n"),
    ]


def _spoilt_answer(chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change an answer or a refusal; in half of the answers the certificate as it was sent."""
    if chance.randrange(2):
        return mutation.text(*_REPLY)(chance, (*seeds, *_refusals()))
    leaf, above = (samples.certificates()[at] for at in (1, 0))
    pem = [base64.encodebytes(mutation.der(chance, [der])).decode() for der in (leaf, above)]
    kept = [base64.encodebytes(der).decode() for der in (leaf, above)]
    pem[chance.randrange(2)] = kept[chance.randrange(2)]
    first, second = (f"-----BEGIN CERTIFICATE-----\n{one}-----END CERTIFICATE-----\n" for one in pem)
    content = json.dumps({"certificate": first, "chain": second}).encode()
    return _HEAD % (b"201 Created", b"Content-Length: %d\r\n" % len(content)) + content


_REPLY = (
    *(b"\r\n", b"\n", b"\r\n\r\n", b": ", b"HTTP/1.1 ", b"HTTP/2", b"200", b"-1", b"Content-Length: 99999999999999999999\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Retry-After: -5\r\n",
        b"Retry-After: \xd9\xa1\r\n",
        b"Date: x\r\n",
        b"ffffffffffffffff",
    ),
    *(
        b"Retry-After: Sun, 31 Dec 9999 23:59:59 -2359\r\n",
        b"Date: 1 Jan 1 0:0 +9999\r\n",
        b"X: " + b"y" * 70_000,
        b"A: b\r\n" * 110,
    ),
    *_JSON,
)


class _Stream:
    """What http.client reads from, instead of a connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return what comes."""
        return io.BytesIO(self._content)


def _told(refused: Refused) -> NotTaken:
    """Return a refusal whose code may be anything, as `texts` has words for those that it does not know; its words may not."""
    assert refused.code.isascii()
    assert all(str(refused.facts[name]).isprintable() for name in ("title", "title_en") if name in refused.facts)
    return NotTaken(refused.code)


def _answered(content: bytes) -> x509.Certificate:
    """Read an answer as a terminal does that asks for its certificate."""
    try:
        with connection._translated():  # noqa: SLF001 (what stands around the reading of a connection)
            response = http.client.HTTPResponse(cast("Any", _Stream(content)), method="POST")
            response.begin()
            raw = response.read(connection.LARGEST_ANSWER + 1)
            answer = connection._read(response, raw, NOW)  # noqa: SLF001 (the same)
        certificate, above = certificates_of(answer)
        chain.require_own_key(certificate, cast("ec.EllipticCurvePrivateKey", samples.key_of_each_kind()[0]))
        chain.require_chain(certificate, above, [trial_issuer().issuer.certificate], NOW)
    except Refused as refused:
        raise _told(refused) from refused
    assert chain.common_name(certificate).isprintable()
    return certificate


def is_ours(_content: bytes, taken: x509.Certificate) -> None:
    """See that nothing is taken that the authority has not signed."""
    assert taken.public_bytes(Encoding.DER) in samples.certificates()


def _any_certificate(read: Read) -> Read:
    """Plant a fault: a certificate that nobody signed is as good as another."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        try:
            return read(content)
        except NotTaken as refused:
            if str(refused) != "chain-broken":
                raise
            return trial_issuer("p384").issuer.certificate

    return careless


_AWAY = connection._AwayError  # noqa: SLF001 (what the client catches itself)


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
        mutation.text(*_NOTE, b"+", b"="),
        (trusting_the_text,),
    ),
    Target(
        "evidence of the log",
        _evidence,
        lambda: _proven,
        (ProofError, NoteError, NotTaken),
        proves_what_was_recorded,
        mutation.text(*_JSON, *_NOTE, b"old 2"),
        (trusting_the_text, _believing_the_entry),
    ),
    Target(
        "answer to a terminal",
        _answers,
        lambda: _answered,
        (NotTaken, _AWAY),
        is_ours,
        _spoilt_answer,
        (trusting_the_text, _any_certificate),
    ),
)
