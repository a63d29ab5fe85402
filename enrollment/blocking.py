"""Blocking keys: a compromised key gets no certificate any more, and every certificate on it is revoked."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from ca import blocked_keys
from ca.certificates import CertificateRecord, CertificateState
from ca.revocation import Reason
from enrollment import code_sets
from enrollment.bulk import BulkRevocation, owner_of
from enrollment.code_sets import CodeSetEvent, CodeSetState
from enrollment.deeds import Ending, give_up
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock
from kernel.database import Database
from registry import terminals


@dataclass(frozen=True)
class Blocked:
    """What a deed did: keys that were not blocked before, certificates revoked, retrievals under way stopped."""

    keys: int
    certificates: int
    being_made: int


@dataclass(frozen=True)
class KeyBlocking:
    """Blocks keys, named by SHA-256 over their SubjectPublicKeyInfo. May be repeated, and taken up after an interruption."""

    database: Database
    clock: Clock

    def block(self, keys: Collection[bytes], actor: Actor) -> Blocked:
        """Block first, in a transaction of its own, so that nothing new can come; then end what is there."""
        now = self.clock.now()
        with self.database.transaction() as session:
            fresh = [key for key in sorted(set(keys)) if blocked_keys.block(session, key, now)]
            for key in fresh:
                audit.record(session, now=now, actor=actor, action="key.block", subject=f"key:{key.hex()}")
        stopped = self._stop(keys, actor, now)
        with self.database.snapshot() as session:
            living = [f"{record.issuer}:{record.serial}" for record in blocked_keys.certificates_on(session, keys)]
        bulk = BulkRevocation(self.database, self.clock)
        revoked = bulk.revoke(living, lambda at: Ending(Reason.KEY_COMPROMISE, actor, at)).certificates
        return Blocked(len(fresh), revoked, stopped)

    def _stop(self, keys: Collection[bytes], actor: Actor, now: datetime) -> int:
        """Give up what is promised on the keys. It can not be completed meanwhile: completion looks at the block."""
        with self.database.snapshot() as session:
            promised = [row for row in blocked_keys.certificates_on(session, keys) if row.state == CertificateState.RESERVED]
        for certificate in promised:
            with self.database.transaction() as session:
                _give_up(session, certificate, actor, now)
        return len(promised)


def _give_up(session: Session, certificate: CertificateRecord, actor: Actor, now: datetime) -> None:
    row = code_sets.open_set(session, certificate.subject)
    if row is not None and row.state == CodeSetState.CLAIMED and row.serial == certificate.serial:
        code_sets.leave(session, row, CodeSetEvent.FREEZE, now, actor=actor, reason=Reason.KEY_COMPROMISE.value)
    elif (current := blocked_keys.certificates_on(session, [certificate.spki_sha256])) and certificate in current:
        owner = owner_of(certificate.subject, terminals.get(session, certificate.subject))
        give_up(session, certificate, owner, Ending(Reason.KEY_COMPROMISE, actor, now))
