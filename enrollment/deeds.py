"""What is done to a terminal's certificate: each step of its life with its audit entry, in the step's own transaction.

Nobody else in this room changes a certificate's state, so none changes without a leaf in the public log.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from ca import revocation
from ca.authority import Authority, Draft, complete
from ca.certificates import CertificateRecord
from ca.revocation import Ended, Reason, Revoked
from kernel import audit
from kernel.audit import Actor
from registry import terminals
from registry.terminals import Terminal


@dataclass(frozen=True)
class Owner:
    """Whose a certificate is: `subject` as the audit log names it (`terminal:99999W`), and the office, if it has one."""

    subject: str
    office_code: str | None


@dataclass(frozen=True)
class Ending:
    """Why certificates are revoked, by whom, when, and since when they were not to be trusted, where that is known."""

    reason: Reason
    actor: Actor
    now: datetime
    invalid_since: datetime | None = None


def revoke_many(session: Session, owners: Mapping[tuple[str, str], Owner], ending: Ending) -> Revoked:
    """Revoke certificates, named by issuer and serial, each with its audit entry; return what this call did.

    After a compromise that is more than was named: the keys are blocked, and what else stands on them ends.
    """
    done = revocation.revoke_many(
        session, owners.keys(), reason=ending.reason, now=ending.now, invalid_since=ending.invalid_since
    )
    _put_on_record(session, done, owners, ending)
    return done


def owner_of(subject: str, terminal: Terminal | None) -> Owner:
    """Return whose a certificate of this subject is; what is no terminal is a service of ours."""
    if terminal is None:
        return Owner(f"service:{subject}", None)
    return Owner(f"terminal:{terminal.name}", terminal.office_code)


def supersede_all(session: Session, followed: Mapping[tuple[str, str], tuple[str, str]], now: datetime) -> None:
    """Revoke certificates that were followed by others, each by its own terminal and on record, as `Deed.revoke` does.

    They are named by issuer and serial, and by them terminal and office; those that were revoked before stay as they were.
    """
    done = revocation.revoke_many(session, followed.keys(), reason=Reason.SUPERSEDED, now=now)

    def entries() -> Iterator[tuple[Actor, audit.Subject]]:
        for one in done.ended:
            terminal, office_code = followed[one.name]
            facts = {"issuer": one.issuer, "serial": one.serial, "reason": one.reason}
            yield audit.terminal(terminal), audit.Subject(f"terminal:{terminal}", office_code, facts)

    audit.record_each(session, entries(), now=now, action="certificate.revoke")


def _put_on_record(session: Session, done: Revoked, owners: Mapping[tuple[str, str], Owner], ending: Ending) -> None:
    """Write an entry for each key that was blocked, each promise that was given up, each certificate that was revoked."""
    beside = {one.subject for one in (*done.ended, *done.given_up) if one.name not in owners}
    known = terminals.named(session, beside) if beside else {}

    def entries(some: Iterable[Ended], reason: str | None = None) -> Iterator[audit.Subject]:
        for one in some:
            owner = owners.get(one.name) or owner_of(one.subject, known.get(one.subject))
            facts = {"issuer": one.issuer, "serial": one.serial, "reason": reason or one.reason}
            yield audit.Subject(owner.subject, owner.office_code, facts)

    def record(action: str, subjects: Iterable[audit.Subject]) -> None:
        audit.record_all(session, subjects, now=ending.now, actor=ending.actor, action=action)

    record("key.block", (audit.Subject(f"key:{key.hex()}", None, {}) for key in done.blocked))
    record("certificate.abandon", entries(done.given_up, ending.reason.value))
    record("certificate.revoke", entries(done.ended))


def give_up(session: Session, certificate: CertificateRecord, owner: Owner, ending: Ending) -> None:
    """Abandon a promised certificate that no code set claims, with its audit entry."""
    revocation.abandon(session, certificate.issuer, certificate.serial, now=ending.now)
    audit.record(
        session,
        now=ending.now,
        actor=ending.actor,
        action="certificate.abandon",
        subject=owner.subject,
        office_code=owner.office_code,
        issuer=certificate.issuer,
        serial=certificate.serial,
        reason=ending.reason.value,
    )


@dataclass(frozen=True)
class Deed:
    """Somebody acts upon one terminal's certificates, in the caller's transaction."""

    session: Session
    actor: Actor
    now: datetime
    terminal: str
    office_code: str

    def reserve(self, authority: Authority, draft: Draft) -> CertificateRecord:
        """Promise a certificate; raises as `Authority.reserve`."""
        reserved = authority.reserve(self.session, draft, self.now)
        self._record("certificate.reserve", draft.issuer, draft.serial)
        return reserved

    def issue(self, reserved: CertificateRecord, signed: bytes) -> bool:
        """Store a signed certificate; return False when someone else was first."""
        if not complete(self.session, reserved.issuer, reserved.serial, signed, self.now):
            return False
        # Whose receipt this becomes can compare it with the certificate that the terminal has.
        self._record("certificate.issue", reserved.issuer, reserved.serial, sha256=hashlib.sha256(signed).hexdigest())
        return True

    def abandon(self, issuer: str, serial: str, **facts: str) -> None:
        """Give up a promised certificate."""
        revocation.abandon(self.session, issuer, serial, now=self.now)
        self._record("certificate.abandon", issuer, serial, **facts)

    def hold(self, issuer: str, serial: str) -> bool:
        """Suspend a certificate; return False when it was held already."""
        done = revocation.hold(self.session, issuer, serial, now=self.now)
        if done:
            self._record("certificate.hold", issuer, serial)
        return done

    def release(self, issuer: str, serial: str) -> bool:
        """Lift a hold; return False when there was none."""
        done = revocation.release(self.session, issuer, serial)
        if done:
            self._record("certificate.release", issuer, serial)
        return done

    def revoke(self, issuer: str, serial: str, reason: Reason) -> bool:
        """End a certificate, after a compromise with all that stands on its key; return False when it was revoked before."""
        done = revocation.revoke(self.session, issuer, serial, reason=reason, now=self.now)
        owner = Owner(f"terminal:{self.terminal}", self.office_code)
        _put_on_record(self.session, done, {(issuer, serial): owner}, Ending(reason, self.actor, self.now))
        return done.has_ended(issuer, serial)

    def _record(self, action: str, issuer: str, serial: str, **facts: str) -> None:
        audit.record(
            self.session,
            now=self.now,
            actor=self.actor,
            action=action,
            subject=f"terminal:{self.terminal}",
            office_code=self.office_code,
            issuer=issuer,
            serial=serial,
            **facts,
        )
