"""Authorities of every algorithm, with their responders, in one database: for judges of lists and status answers."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from cryptography import x509
from sqlalchemy import select

from ca import authority, issuers
from ca.authority import Authority
from ca.certificates import CertificateRecord
from ca.issuers import SigningIssuer
from ca.ocsp_responses import Delegate
from ca.plan import ServiceKind
from ca.profiles import Addresses, Subject
from ca.tables import CertificateRow
from kernel.database import Database, connect
from keys.algorithms import ALGORITHMS, algorithm_of
from keys.custody import SoftwareKeys
from tests.ca.every_kind import STATUS, hold_every_kind, issuer_of, service_name
from tests.ca.issuance import new_key
from tests.ca.trial import NOW, PROFILE, TODAY

ADDRESSES = Addresses(STATUS)


@dataclass(frozen=True)
class Authorities:
    """Roots, issuing CAs and responders; `folder` is where lists are published."""

    database: Database
    keys: SoftwareKeys
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @cached_property
    def signers(self) -> dict[str, SigningIssuer]:
        """All that sign certificates and lists, by name."""
        with self.database.snapshot() as session:
            found = issuers.load_all(session)
        return {one.name: SigningIssuer(one, self.keys.open_signing(one.key_name)) for one in found}

    def delegate(self, algorithm: str) -> Delegate:
        """Return the responder whose key is of an algorithm."""
        is_responder = CertificateRow.subject.startswith(service_name(ServiceKind.OCSP, ""))
        with self.database.snapshot() as session:
            found = session.execute(select(CertificateRow.der, CertificateRow.key_name).where(is_responder)).all()
        for der, key_name in found:
            certificate = x509.load_der_x509_certificate(der or b"")
            if algorithm_of(certificate.public_key()).name == algorithm:
                return Delegate(self.signers[issuer_of(algorithm)].issuer, certificate, self.keys.open_signing(key_name or ""))
        raise LookupError(algorithm)

    def promise(self, issuer: str, count: int, *, partition_size: int = 0) -> list[CertificateRecord]:
        """Draft and store terminal certificates of the present partition, without signing them."""
        issuing = self._authority(issuer, partition_size)
        with self.database.transaction() as session:
            partition = issuing.partition(session)
            subjects = [Subject(f"{next(self._numbers):05}W", "NAC001", "ナックス商事株式会社") for _ in range(count)]
            drafts = [issuing.draft(new_key(), one, TODAY, NOW, partition=partition) for one in subjects]
            return issuing.reserve_all(session, drafts, NOW)

    def issue(self, issuer: str, count: int, *, partition_size: int = 0) -> list[CertificateRecord]:
        """Issue terminal certificates as the doors do, many at a time; return them as they are stored then."""
        promised = self.promise(issuer, count, partition_size=partition_size)
        signed = [(record, self._authority(issuer).sign(record)) for record in promised]
        with self.database.transaction() as session:
            assert authority.complete_all(session, signed, NOW)
        return [replace(record, der=der) for record, der in signed]

    def _authority(self, issuer: str, partition_size: int = 0) -> Authority:
        profile = replace(PROFILE, addresses=ADDRESSES, issuer_algorithms=tuple(ALGORITHMS), partition_size=partition_size)
        return Authority(self.signers[issuer], profile)


@contextmanager
def authorities(url: str, folder: Path) -> Iterator[Authorities]:
    """Hold the ceremony of every kind."""
    database = connect(url)
    yield Authorities(database, hold_every_kind(database, folder), folder / "published")
    database.dispose()
