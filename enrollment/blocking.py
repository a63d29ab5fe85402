"""Blocking keys: a compromised key gets no certificate any more, and every certificate on it is revoked."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ca import blocked_keys
from ca.revocation import Reason
from enrollment import letters
from enrollment.bulk import BATCH, BulkRevocation
from enrollment.deeds import Ending
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock
from kernel.database import Database
from registry.letters import Letters

_JOB = audit.job("blocking")
# What is left of longer ago, the check of certificates tells each night.
LATELY = timedelta(days=7)
# And what was blocked at this moment, whoever did it is revoking now.
UNDER_WAY = timedelta(minutes=5)


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
    letters: Letters = letters.PLAIN

    def block(self, keys: Collection[bytes], actor: Actor) -> Blocked:
        """Block first, in a transaction of its own, so that nothing new can come; then end what is there."""
        now, wanted = self.clock.now(), sorted(set(keys))
        with self.database.transaction() as session:
            fresh = [key for key in wanted if blocked_keys.block(session, key, now)]
            for key in fresh:
                audit.record(session, now=now, actor=actor, action="key.block", subject=f"key:{key.hex()}")
        on_them = [name for begin in range(0, len(wanted), BATCH) for name in self._on(wanted[begin : begin + BATCH])]
        # What is promised can not be completed meanwhile: completion looks at the block.
        bulk = BulkRevocation(self.database, self.clock, self.letters)
        done = bulk.revoke(on_them, lambda at: Ending(Reason.KEY_COMPROMISE, actor, at))
        return Blocked(len(fresh), done.certificates, done.being_made)

    def finish(self, now: datetime) -> int:
        """End what still stands on keys that were blocked lately, after an interruption; return how much it was. A job."""
        with self.database.snapshot() as session:
            blocked = blocked_keys.blocked_between(session, now - LATELY, now - UNDER_WAY)
        on_them = [name for begin in range(0, len(blocked), BATCH) for name in self._on(blocked[begin : begin + BATCH])]
        bulk = BulkRevocation(self.database, self.clock, self.letters)
        done = bulk.revoke(on_them, lambda at: Ending(Reason.KEY_COMPROMISE, _JOB, at))
        return done.certificates + done.being_made

    def _on(self, keys: Collection[bytes]) -> list[str]:
        with self.database.snapshot() as session:
            return [f"{record.issuer}:{record.serial}" for record in blocked_keys.certificates_on(session, keys)]
