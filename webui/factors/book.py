"""Second factors: the authenticator app, recovery codes, and what staff and operators do about them.

Guessing is slowed at two widths: five failures lock an account for one source, fifteen from anywhere lock it as a whole, and
its person is told, because whoever gets so far knows the password.
"""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from kernel import audit, throttle
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from webui.accounts import AccountState, Door, Person, admission, person_of, record
from webui.factors import records, recovery, totp
from webui.factors.letters import AccountLetters, Event
from webui.factors.log_ins import Outcome
from webui.factors.records import Standing
from webui.factors.tables import PasskeyRow, RecoveryCodeRow, TotpRow
from webui.tables import AccountRow, SessionRow

PER_ACCOUNT_AND_SOURCE = throttle.Limit(failures=5)
PER_ACCOUNT = throttle.Limit(failures=15, lock=timedelta(hours=1), longest=timedelta(hours=24))
REASON_MOST = 200


class Safe(Protocol):
    """What keeps secrets at rest: sealed with a binding, opened only with the same."""

    def seal(self, plaintext: bytes, binding: bytes) -> bytes:
        """Return the sealed copy."""
        ...

    def open(self, sealed: bytes, binding: bytes) -> bytes:
        """Return the plaintext."""
        ...


@dataclass(frozen=True)
class Factors:
    """The use cases of second factors."""

    database: Database
    clock: Clock
    safe: Safe
    letters: AccountLetters

    def standing(self, account_id: int) -> Standing:
        """Return an account's second factors."""
        with self.database.snapshot() as session:
            return records.standing(session, account_id)

    def office_people(self, office_code: str) -> tuple[tuple[Person, bool], ...]:
        """Return an office's active users and whether each has a second factor."""
        query = select(AccountRow).where(
            AccountRow.door == Door.PORTAL.value,
            AccountRow.office_code == office_code,
            AccountRow.state == AccountState.ACTIVE.value,
        )
        with self.database.snapshot() as session:
            people = [person_of(row) for row in session.scalars(query.order_by(AccountRow.login))]
            having = records.with_factor(session, [person.account_id for person in people])
        return tuple((person, person.account_id in having) for person in people)

    def begin_totp(self, person: Person) -> str:
        """Make a secret that is not in use yet; what is returned is sealed and kept with the session until the first code."""
        return base64.b64encode(self.safe.seal(totp.new_secret().encode(), _pending(person))).decode()

    def pending_secret(self, person: Person, pending: str) -> str:
        """Return the secret that was begun, to be shown to its person."""
        return self.safe.open(base64.b64decode(pending), _pending(person)).decode()

    def confirm_totp(self, person: Person, pending: str, code: str, *, keep: bytes) -> tuple[str, ...]:
        """Take the app into use by its first code, in place of an earlier one.

        Returns new recovery codes when the account has none, and `()` otherwise. With an account's first factor its sessions
        without one end, but for the present (`keep`, the hash of its token). Raises Refused("factor-wrong").
        """
        now = self.clock.now()
        secret = self.pending_secret(person, pending)
        step = totp.accepted_step(secret, code, now, after=-1)
        if step is None:
            raise Refused("factor-wrong")
        with self.database.transaction() as session:
            session.merge(self._row(person, secret, now, step))
            record(session, now, person.actor, "account.add-totp", person)
            self.letters.post(session, person, Event.TOTP_ADDED, now)
            return after_adding(session, person.account_id, keep=keep)

    def provide_totp(self, person: Person, secret: str, actor: audit.Actor) -> bool:
        """Give an account without authenticator app one by its secret; False when it has one. For operators."""
        now = self.clock.now()
        with self.database.transaction() as session:
            if session.get(TotpRow, person.account_id) is not None:
                return False
            session.add(self._row(person, secret, now, -1))
            record(session, now, actor, "account.add-totp", person)
        return True

    def remove_totp(self, person: Person) -> None:
        """Remove the authenticator app; raises Refused: factor-none, factor-last."""
        now = self.clock.now()
        with self.database.transaction() as session:
            require_removable(session, person)
            if not _deleted(session, TotpRow, person.account_id):
                raise Refused("factor-none")
            record(session, now, person.actor, "account.remove-totp", person)
            self.letters.post(session, person, Event.TOTP_REMOVED, now)
            after_removing(session, person.account_id)

    def renew_recovery(self, person: Person) -> tuple[str, ...]:
        """Replace the recovery codes; raises Refused("factor-none") where there is nothing to recover."""
        now = self.clock.now()
        with self.database.transaction() as session:
            if not records.standing(session, person.account_id).is_any:
                raise Refused("factor-none")
            record(session, now, person.actor, "account.renew-recovery", person)
            self.letters.post(session, person, Event.RECOVERY_RENEWED, now)
            return records.renew_recovery(session, person.account_id)

    def prove(self, person: Person, typed: str, source: str) -> Outcome:
        """Check a code of the app, or a recovery code, each of which is good once; return which of them it was.

        Raises Refused("factor-wrong"), the same whatever is wrong, and Refused("throttled", retry_after=seconds).
        """
        now = self.clock.now()
        pair, whole = f"factor:{person.account_id}:{source}", f"factor-account:{person.account_id}"
        with self.database.transaction() as session:
            for key in (pair, whole):
                # Held whether it was counted before or not: counters before factors, or two of them wait for each other.
                if locked_for := throttle.hold(session, key, now).locked_for:
                    raise Refused("throttled", retry_after=locked_for)
            outcome = self._match(session, person, typed, now)
            if outcome is None:
                self._count(session, person, ((pair, PER_ACCOUNT_AND_SOURCE), (whole, PER_ACCOUNT)), now)
            else:
                throttle.forgive(session, pair)
                record(session, now, person.actor, "account.prove", person, means=outcome.value)
        if outcome is None:
            raise Refused("factor-wrong")
        return outcome

    def reset(self, person: Person, actor: audit.Actor, reason: str) -> None:
        """Remove all second factors of somebody who lost them, and end their sessions; the person is told.

        Raises Refused: factor-none, reason-malformed.
        """
        if not reason.strip() or len(reason) > REASON_MOST:
            raise Refused("reason-malformed", most=REASON_MOST)
        now = self.clock.now()
        with self.database.transaction() as session:
            if not records.standing(session, person.account_id).is_any:
                raise Refused("factor-none")
            session.get_one(AccountRow, person.account_id, with_for_update=True)
            records.remove_all(session, person.account_id)
            admission.end_all(session, person.account_id)
            throttle.forgive(session, f"factor-account:{person.account_id}")
            record(session, now, actor, "account.reset-factors", person, reason=reason.strip())
            self.letters.post(session, person, Event.RESET, now)

    def _match(self, session: Session, person: Person, typed: str, now: datetime) -> Outcome | None:
        """Use the code up, if it is one."""
        row = session.scalar(select(TotpRow).where(TotpRow.account_id == person.account_id).with_for_update())
        if row is not None:
            secret = self.safe.open(row.sealed, _binding(person)).decode()
            step = totp.accepted_step(secret, typed, now, after=row.last_step)
            if step is not None:
                row.last_step, row.used_at = step, now
                return Outcome.TOTP
        used = (RecoveryCodeRow.account_id == person.account_id) & (
            RecoveryCodeRow.digest == recovery.digest(person.account_id, typed)
        )
        if session.execute(delete(RecoveryCodeRow).where(used)).rowcount:  # type: ignore[attr-defined]
            left = records.standing(session, person.account_id).recovery_left
            self.letters.post(session, person, Event.RECOVERY_USED, now, str(left))
            return Outcome.RECOVERY
        return None

    def _count(
        self, session: Session, person: Person, keys: tuple[tuple[str, throttle.Limit], ...], now: datetime
    ) -> None:  # fmt: skip
        locked = [throttle.count_failure(session, key, limit, now).locked_for > 0 for key, limit in keys]
        record(session, now, person.actor, "account.prove-failed", person, locked=any(locked))
        if any(locked):
            self.letters.post(session, person, Event.LOCKED, now)

    def _row(self, person: Person, secret: str, now: datetime, step: int) -> TotpRow:
        sealed = self.safe.seal(secret.encode(), _binding(person))
        return TotpRow(account_id=person.account_id, sealed=sealed, last_step=step, created_at=now, used_at=None)


def after_adding(session: Session, account_id: int, *, keep: bytes) -> tuple[str, ...]:
    """Do what a new factor entails; returns recovery codes where there were none."""
    standing = records.standing(session, account_id)
    if standing.count == 1:
        others = (SessionRow.account_id == account_id) & SessionRow.proven_at.is_(None) & (SessionRow.token_hash != keep)
        session.execute(delete(SessionRow).where(others))
    return () if standing.recovery_left else records.renew_recovery(session, account_id)


def after_removing(session: Session, account_id: int) -> None:
    """Do what the end of a factor entails: recovery codes stand in for one, and never alone."""
    if not records.standing(session, account_id).is_any:
        records.remove_all(session, account_id)


def require_removable(session: Session, person: Person) -> None:
    """Raise Refused("factor-last") when staff would be left without a second factor. Holds the account's row."""
    session.scalars(select(AccountRow.id).where(AccountRow.id == person.account_id).with_for_update()).one()
    if person.door is Door.CENTER and records.standing(session, person.account_id).count <= 1:
        raise Refused("factor-last")


def _deleted(session: Session, table: type[TotpRow | PasskeyRow], account_id: int) -> bool:
    return bool(session.execute(delete(table).where(table.account_id == account_id)).rowcount)  # type: ignore[attr-defined]


def _binding(person: Person) -> bytes:
    return f"totp {person.account_id}".encode()


def _pending(person: Person) -> bytes:
    return f"pending totp {person.account_id}".encode()
