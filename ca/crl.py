"""Certificate revocation lists (RFC 5280 §5): numbered, signed, stored, then renamed into place.

Numbers and times only rise. The number is taken in a transaction of its own, the signature made outside of any,
and a list is in force once its row is stored; the file that relying parties fetch follows the row.
"""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from ca.issuers import SigningIssuer
from ca.revocation import HOLD_REASON
from ca.tables import CertificateRow, CrlRow, IssuerRow
from kernel import audit
from kernel.database import Database, forbid_open_transaction

_LISTED_STATES = ("held", "revoked", "abandoned")


class ClockBehindError(Exception):
    """The clock is behind the newest CRL that was signed: signing now would turn time back for relying parties."""


@dataclass(frozen=True)
class _Plan:
    """A CRL whose number is taken but which is not signed yet."""

    number: int
    revision: int
    this_update: datetime
    entries: list[x509.RevokedCertificate]


@dataclass(frozen=True)
class CrlPublisher:
    """Publishes one issuer's CRL into a folder.

    A new one appears when anything changed and at least each `period`; each is good for `lifetime`.
    """

    database: Database
    signer: SigningIssuer
    folder: Path
    period: timedelta = timedelta(days=1)
    lifetime: timedelta = timedelta(days=3)

    @property
    def file(self) -> Path:
        """The file that the status door serves."""
        return crl_file(self.folder, self.signer.issuer.name)

    def publish_if_due(self, now: datetime) -> int | None:
        """Publish when something changed or the period is over; return the new number or None. A job."""
        with self.database.snapshot() as session:
            issuer = session.get_one(IssuerRow, self.signer.issuer.name)
            newest = latest(session, issuer.name)
            if newest is not None and newest.revision == issuer.revision and now < newest.this_update + self.period:
                # A crash between row and file, or a file that was lost: the row is what was promised.
                if _content(self.file) != newest.der:
                    _put_in_place(self.file, newest.der)
                return None
        return self.publish(now)

    def publish(self, now: datetime) -> int:
        """Sign and publish the next CRL and return its number; raises ClockBehindError."""
        plan = self._take_number(now.replace(microsecond=0))
        forbid_open_transaction()
        next_update = plan.this_update + self.lifetime
        der = self._signed(plan, next_update)
        name = self.signer.issuer.name
        with self.database.transaction() as session:
            session.add(
                CrlRow(
                    issuer=name,
                    number=plan.number,
                    revision=plan.revision,
                    this_update=plan.this_update,
                    next_update=next_update,
                    der=der,
                )
            )
            audit.record(
                session,
                now=now,
                actor=audit.job("crl"),
                action="crl.publish",
                subject=f"issuer:{name}",
                number=plan.number,
                entries=len(plan.entries),
            )
        self._serve_newest()
        return plan.number

    def _take_number(self, now: datetime) -> _Plan:
        with self.database.transaction() as session:
            # RFC 5280 §5.2.3: numbers only grow, so the row is locked.
            issuer = session.scalars(select(IssuerRow).where(IssuerRow.name == self.signer.issuer.name).with_for_update()).one()
            newest = latest(session, issuer.name)
            if newest is not None and now < newest.this_update:
                message = f"now is {now}, CRL {newest.number} of {issuer.name} is of {newest.this_update}"
                raise ClockBehindError(message)
            issuer.crl_number += 1
            entries = list(_entries(session, issuer.name, now - 2 * self.period))
            return _Plan(issuer.crl_number, issuer.revision, now, entries)

    def _signed(self, plan: _Plan, next_update: datetime) -> bytes:
        issuer = self.signer.issuer
        builder = (
            # The list goes in at once: adding entries one by one is quadratic.
            x509.CertificateRevocationListBuilder(revoked_certificates=plan.entries)
            .issuer_name(issuer.certificate.subject)
            .last_update(plan.this_update)
            .next_update(next_update)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.key_identifier), critical=False)
            .add_extension(x509.CRLNumber(plan.number), critical=False)
        )
        crl = builder.sign(self.signer.key, self.signer.hash)
        if not crl.is_signature_valid(issuer.public_key):
            message = f"the key of issuer {issuer.name} made a CRL signature that does not verify"
            raise ValueError(message)
        return crl.public_bytes(Encoding.DER)

    def _serve_newest(self) -> None:
        # The newest row and not our own: another node may have published meanwhile, and files must not go back. Looked
        # at again after each writing: whoever writes last has then seen that nothing newer stands.
        served = None
        while (newest := self._newest_number_and_der()) is not None and newest[0] != served:
            served = newest[0]
            _put_in_place(self.file, newest[1])

    def _newest_number_and_der(self) -> tuple[int, bytes] | None:
        with self.database.snapshot() as session:
            newest = latest(session, self.signer.issuer.name)
        return (newest.number, newest.der) if newest else None


def latest(session: Session, issuer: str) -> CrlRow | None:
    """Return the CRL in force."""
    return session.scalar(select(CrlRow).where(CrlRow.issuer == issuer).order_by(CrlRow.number.desc()).limit(1))


def crl_file(folder: Path, issuer: str) -> Path:
    """Return where an issuer's CRL is published."""
    return folder / f"{issuer}.crl"


def _entries(session: Session, issuer: str, since: datetime) -> Iterator[x509.RevokedCertificate]:
    """Yield what the list says, of certificates that did not end before `since`."""
    listed = select(CertificateRow).where(
        CertificateRow.issuer == issuer, CertificateRow.state.in_(_LISTED_STATES), CertificateRow.not_after >= since
    )
    for row in session.scalars(listed.order_by(CertificateRow.id)):
        at = row.revoked_at or row.reserved_at
        builder = x509.RevokedCertificateBuilder(int(row.serial, 16), at.replace(microsecond=0))
        # RFC 5280 §5.3.1: an unspecified reason is left out rather than written.
        if row.reason and row.reason != "unspecified":
            builder = builder.add_extension(x509.CRLReason(_flag(row.reason)), critical=False)
        yield builder.build()


def _flag(reason: str) -> x509.ReasonFlags:
    return x509.ReasonFlags.certificate_hold if reason == HOLD_REASON else x509.ReasonFlags(reason)


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _put_in_place(file: Path, content: bytes) -> None:
    """Replace a published file whole: written aside, flushed to disk, renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with draft.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
