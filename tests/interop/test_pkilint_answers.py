"""pkilint reads thousands of status answers as the status door's express lane gives them, by responders of every algorithm."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography.x509 import ocsp

from ca import revocation
from ca.certificates import CertificateState
from ca.ocsp import Responder
from ca.ocsp_requests import LONGEST_NONCE
from ca.ocsp_responses import Delegate, ResponseWriter, time_der, valid_der
from ca.ocsp_states import Status
from ca.revocation import TERMINAL_REASONS
from keys.algorithms import ALGORITHMS
from server.express import Ask, Express
from tests.ca.every_kind import issuer_of
from tests.ca.ocsp_requests import cert_id, nonce, request
from tests.ca.trial import NOW
from tests.interop.authorities import Authorities, authorities
from tests.interop.pkilint_rules import in_answers, in_certificates
from tests.support.clock import SettableClock

EACH = 350  # answers by each responder
HEAD = "POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: {}\r\n\r\n"
DAY = timedelta(days=1)
NONCES = (None, None, 1, 16, 32, LONGEST_NONCE)


@pytest.fixture(scope="module")
def made(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Authorities]:
    with sqlite_databases() as url, authorities(url, tmp_path_factory.mktemp("answers")) as held:
        yield held


def _in_every_state(made: Authorities, issuer: str) -> list[str]:
    """Return serial numbers of certificates to each of which something else has happened."""
    waiting, given_up = made.promise(issuer, 2)
    records = made.issue(issuer, 2 * len(TERMINAL_REASONS) + 5)
    assert in_certificates(record.der or b"" for record in records) == set()
    rest = list(records)
    with made.database.transaction() as session:
        for since in (None, NOW - DAY):
            for reason in TERMINAL_REASONS:
                revocation.revoke(session, issuer, rest.pop().serial, reason=reason, now=NOW, invalid_since=since)
            revocation.hold(session, issuer, rest.pop().serial, now=NOW, invalid_since=since)
        released, revoked = rest.pop().serial, rest.pop().serial
        for serial in (released, revoked):
            revocation.hold(session, issuer, serial, now=NOW)
        revocation.release(session, issuer, released)
        revocation.revoke(session, issuer, revoked, reason=TERMINAL_REASONS[-1], now=NOW + DAY)
        revocation.abandon(session, issuer, given_up.serial, now=NOW)
    assert len(rest) == 1  # which is good
    return ["1", "7f", "ff" * 19, waiting.serial, given_up.serial, *(record.serial for record in records)]


@dataclass(frozen=True)
class _Door:
    """The express lanes over one responder: without and with the certificates' hashes in its answers."""

    delegate: Delegate
    lanes: tuple[Express, ...]
    chance: random.Random
    clock: SettableClock

    def answers(self, serials: list[str]) -> Iterator[bytes]:
        """Ask for each certificate in both forms, then for some at a time."""
        for serial in serials:
            for digest in ("sha1", "sha256"):
                yield self._answer([serial], digest)
        while True:
            some = self.chance.sample(serials, self.chance.choice([1, 1, 1, 1, 2, 2, 3, 6]))
            yield self._answer(some, self.chance.choice(["sha1", "sha256"]))

    def _answer(self, serials: list[str], digest: str) -> bytes:
        self.clock.advance(self.chance.random() * 2 * DAY)
        ids = [cert_id(self.delegate.issuer, serial, digest) for serial in serials]
        length = self.chance.choice(NONCES)
        asked = request(*ids, extensions=[nonce(self.chance.randbytes(length))] if length else None)
        lane, octets = self.chance.choice(self.lanes), HEAD.format(len(asked)).encode("ascii") + asked
        found = lane.next(octets, 0)
        assert isinstance(found, Ask)
        head, _, body = lane.answer(found.der, keep=True).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        return body


def _door(made: Authorities, algorithm: str) -> _Door:
    delegate, clock = made.delegate(algorithm), SettableClock(NOW + 2 * DAY)
    lanes = tuple(Express(Responder(made.database, [delegate], cert_hash=told), clock) for told in (False, True))
    return _Door(delegate, lanes, random.Random(f"answers by {algorithm}"), clock)  # noqa: S311 (test material)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_hundreds_of_answers_by_each_responder_are_without_finding(made: Authorities, algorithm: str) -> None:
    serials = _in_every_state(made, issuer_of(algorithm))
    answers = _door(made, algorithm).answers(serials)
    ders = [next(answers) for _ in range(EACH)]
    assert in_answers(ders) == set()
    assert len(set(ders)) > EACH * 9 / 10  # the clock moves on, so few of them are kept ones
    told = [one for der in ders for one in ocsp.load_der_ocsp_response(der).responses]
    assert {one.certificate_status for one in told} == set(ocsp.OCSPCertStatus)
    reasons = {one.revocation_reason.value for one in told if one.revocation_reason}
    assert reasons == {*TERMINAL_REASONS, "certificateHold"} - {"unspecified"}


def _response(made: Authorities, *, backwards: bool = False) -> bytes:
    delegate = made.delegate("p256")
    writer, valid = ResponseWriter(delegate), (NOW, NOW - DAY) if backwards else (NOW, NOW + DAY)
    status = Status(CertificateState.VALID, NOW, None, None)
    single = writer.single(cert_id(delegate.issuer, "77" * 20).dump(), status, valid_der(*valid))
    return writer.response(single, None, time_der(NOW))


def test_an_answer_that_ends_before_it_begins_is_found(made: Authorities) -> None:
    assert in_answers([_response(made)]) == set()
    assert in_answers([_response(made, backwards=True)]) != set()


DEFECTS = {
    "a time without Z": (time_der(NOW)[2:], time_der(NOW)[2:-1] + b"0"),
    "an archive cutoff that is none": (bytes.fromhex("06092b0601050507300106"), bytes.fromhex("06092b0601050507300104")),
    "another kind of response": (bytes.fromhex("06092b0601050507300101"), bytes.fromhex("06092b0601050507300109")),
    "a failure with a content": (b"\x0a\x01\x00", b"\x0a\x01\x02"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(made: Authorities, defect: str) -> None:
    old, new = DEFECTS[defect]
    response = _response(made)
    assert old in response
    assert in_answers([response.replace(old, new)]) != set()
