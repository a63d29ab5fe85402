"""pkilint reads thousands of revocation lists as they are published: whole ones, partitions, deltas, those of roots."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from ca import revocation
from ca.certificates import CertificateRecord
from ca.crl import CrlPublisher
from ca.crl_encoding import entry, frame
from ca.der import BIT_STRING, SEQUENCE, integer, tlv
from ca.der import time as time_of
from ca.revocation import TERMINAL_REASONS, Reason
from tests.ca.every_kind import EVERY
from tests.ca.trial import NOW, trial_issuer
from tests.interop.authorities import ADDRESSES, Authorities, authorities
from tests.interop.pkilint_rules import in_lists

EACH = 350  # lists of each issuing CA
OF_ROOTS = 50  # of each root
SIZE = 6  # certificates that share a partition
DAY = timedelta(days=1)
ISSUING = [f"issuing-{name}" for name in EVERY if name != "rsa4096"]
ROOTS = [name.replace("issuing", "root") for name in ISSUING]


@pytest.fixture(scope="module")
def made(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Authorities]:
    with sqlite_databases() as url, authorities(url, tmp_path_factory.mktemp("lists")) as held:
        yield held


@dataclass
class _Office:
    """What happens to certificates of one issuing CA, and the lists that tell of it."""

    made: Authorities
    issuer: str
    now: datetime = NOW
    good: list[CertificateRecord] = field(default_factory=list)
    held: list[CertificateRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the publisher."""
        self.chance = random.Random(f"lists of {self.issuer}")  # noqa: S311 (test material, the same at every run)
        self.deltas = CrlPublisher(
            self.made.database, self.made.signers[self.issuer], self.made.folder,
            addresses=ADDRESSES, partition_size=SIZE, delta=True,
        )  # fmt: skip
        self.reasons = [(reason, since) for since in (None, 3 * DAY) for reason in TERMINAL_REASONS]

    def lists(self) -> Iterator[bytes]:
        """Yield what is published after each deed: all lists with deltas, or the whole ones alone."""
        numbers: dict[str, bytes] = {}
        while True:
            self._deed()
            self.now += self.chance.random() * 2 * DAY
            publisher = self.deltas if self.chance.random() < 0.8 else replace(self.deltas, delta=False)
            publisher.publish_if_due(self.now)
            for file in sorted(self.made.folder.glob(f"{self.issuer}*.crl")):
                octets = file.read_bytes()
                if numbers.get(file.name) != octets:
                    numbers[file.name] = octets
                    yield octets

    def _deed(self) -> None:
        if len(self.good) < SIZE:
            self.good += self.made.issue(self.issuer, SIZE, partition_size=SIZE)
        with self.made.database.transaction() as session:
            if self.held and self.chance.random() < 0.5:
                revocation.release(session, self.issuer, self._one_of(self.held).serial)
            invalid_since = self.chance.choice([None, self.now - DAY])
            held = self._one_of(self.good)
            revocation.hold(session, self.issuer, held.serial, now=self.now, invalid_since=invalid_since)
            self.held.append(held)
            if not self.reasons:
                return
            (reason, before), revoked = self.reasons.pop(), self._one_of(self.good).serial
            since = None if before is None else self.now - before
            revocation.revoke(session, self.issuer, revoked, reason=reason, now=self.now, invalid_since=since)

    def _one_of(self, records: list[CertificateRecord]) -> CertificateRecord:
        return records.pop(self.chance.randrange(len(records)))


def _kind(crl: x509.CertificateRevocationList) -> tuple[bool, bool]:
    """Return whether a list is a partition's, and whether it is a delta."""
    known = {extension.oid for extension in crl.extensions}
    return x509.IssuingDistributionPoint.oid in known, x509.DeltaCRLIndicator.oid in known


def _reasons(crl: x509.CertificateRevocationList) -> Iterator[tuple[str, bool]]:
    """Yield the reasons on a list, each with whether an invalidity date stands beside it."""
    for one in crl:
        values = [extension.value for extension in one.extensions]
        found = next((value.reason.value for value in values if isinstance(value, x509.CRLReason)), "unspecified")
        yield found, any(isinstance(value, x509.InvalidityDate) for value in values)


@pytest.mark.parametrize("issuer", ISSUING)
def test_hundreds_of_lists_of_each_issuing_ca_are_without_finding(made: Authorities, issuer: str) -> None:
    published = _Office(made, issuer).lists()
    ders = [next(published) for _ in range(EACH)]
    assert in_lists(ders) == set()
    assert len(set(ders)) == EACH
    lists = [x509.load_der_x509_crl(der) for der in ders]
    assert {_kind(crl) for crl in lists} == {(False, False), (False, True), (True, False), (True, True)}
    told = {one for crl in lists for one in _reasons(crl)}
    expected = {(reason, with_date) for reason in (*TERMINAL_REASONS, "certificateHold") for with_date in (False, True)}
    assert told == expected | {("removeFromCRL", False)}


@pytest.mark.parametrize("root", ROOTS)
def test_a_roots_lists_are_without_finding(made: Authorities, root: str) -> None:
    publisher = CrlPublisher(made.database, made.signers[root], made.folder, period=180 * DAY, lifetime=400 * DAY)
    serial = f"{made.signers[root.replace('root', 'issuing')].issuer.certificate.serial_number:x}"
    ders, now = [], NOW + DAY
    for number in range(OF_ROOTS):
        if number == OF_ROOTS // 2:
            with made.database.transaction() as session:
                revocation.revoke(session, root, serial, reason=Reason.CA_COMPROMISE, now=now, invalid_since=NOW)
        now += 30 * DAY
        publisher.publish(now)
        ders.append(publisher.file.read_bytes())
    assert in_lists(ders) == set()
    assert len(set(ders)) == OF_ROOTS
    assert {len(x509.load_der_x509_crl(der)) for der in ders} == {0, 1}


def _list(*, entries: bytes, ends: timedelta = DAY, number_is_critical: bool = False) -> bytes:
    signer = trial_issuer()
    key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer.issuer.key_identifier)
    around = frame(signer.issuer, NOW, NOW + ends, [(key, False), (x509.CRLNumber(1), number_is_critical)])
    tbs = around.head(len(entries)) + entries + around.after
    return tlv(SEQUENCE, tbs + signer.issuer.algorithm.identifier + tlv(BIT_STRING, b"\x00" + signer.sign(tbs)))


UNSPECIFIED = tlv(SEQUENCE, bytes.fromhex("300a0603551d1504030a0100"))
CRITICAL = tlv(SEQUENCE, bytes.fromhex("300d0603551d150101ff04030a0101"))
DEFECTS = {
    "a list that ends before it begins": {"entries": b"", "ends": -DAY},
    "a number that is critical": {"entries": b"", "number_is_critical": True},
    "a reason that says nothing": {"entries": tlv(SEQUENCE, integer(5) + time_of(NOW) + UNSPECIFIED)},
    "a reason that is critical": {"entries": tlv(SEQUENCE, integer(5) + time_of(NOW) + CRITICAL)},
    "an invalidity date that is none": {"entries": entry(5, NOW, None, NOW).replace(b"\x18\x0f2026", b"\x18\x0f20x6")},
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(defect: str) -> None:
    sound = _list(entries=entry(5, NOW, "keyCompromise", NOW))
    assert in_lists([sound]) == set()
    assert in_lists([_list(**DEFECTS[defect])]) != set()  # type: ignore[arg-type]
