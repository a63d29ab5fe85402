"""The passkeys of accounts: asking a browser for one, taking it up, letting it open the door."""

import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from kernel.clock import Clock
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from webui.accounts import AccountState, Door, Person, person_of, record
from webui.factors.book import after_adding, after_removing, require_removable
from webui.factors.letters import AccountLetters, Event
from webui.factors.passkeys import Credential, RelyingParty, credential_id_of
from webui.factors.tables import ChallengeRow, PasskeyRow
from webui.tables import AccountRow

MOST = 10
NAME_MOST = 40
# Somewhat longer than a browser waits for its user.
CHALLENGE_LIFE = timedelta(minutes=5)


class Purpose(StrEnum):
    """What a challenge is for; one for another purpose does not count."""

    REGISTER = "register"
    LOG_IN = "log-in"
    STEP_UP = "step-up"


@dataclass(frozen=True)
class Passkeys:
    """The use cases of passkeys at one door. A visit is named by the hash of its token."""

    database: Database
    clock: Clock
    relying_party: RelyingParty
    letters: AccountLetters

    def registration_options(self, person: Person, visit: bytes) -> str:
        """Return what the browser makes a new passkey from (JSON); raises Refused("passkey-most")."""
        known = self._of(person)
        if len(known) >= MOST:
            raise Refused("passkey-most", most=MOST)
        return self.relying_party.registration_options(person, self._challenge(visit, Purpose.REGISTER), known)

    def assertion_options(self, visit: bytes, person: Person | None) -> str:
        """Return what the browser asks for a passkey with (JSON): one of the person's, at log-in any."""
        purpose = Purpose.STEP_UP if person else Purpose.LOG_IN
        return self.relying_party.assertion_options(self._challenge(visit, purpose), self._of(person) if person else ())

    def add(self, person: Person, visit: bytes, answer: str, name: str) -> tuple[str, ...]:
        """Take up a new passkey; return new recovery codes when the account has none.

        Raises Refused: passkey-refused (also for one that is known already), passkey-late, passkey-most.
        """
        now = self.clock.now()
        challenge = self._used_challenge(visit, Purpose.REGISTER, now)
        made = self.relying_party.registered(answer, challenge)
        shown = "".join(one for one in name if unicodedata.category(one)[0] != "C").strip()[:NAME_MOST] or "-"
        values: dict[str, object] = {
            "account_id": person.account_id,
            "credential_id": made.credential_id,
            "public_key": made.public_key,
            "sign_count": made.sign_count,
            "name": shown,
            "created_at": now,
        }
        if len(self._of(person)) >= MOST:
            raise Refused("passkey-most", most=MOST)
        with self.database.transaction() as session:
            if not insert_if_absent(session, PasskeyRow, values):
                raise Refused("passkey-refused")
            record(session, now, person.actor, "account.add-passkey", person, name=shown)
            self.letters.post(session, person, Event.PASSKEY_ADDED, now, shown)
            return after_adding(session, person.account_id, keep=visit)

    def remove(self, person: Person, passkey_id: int) -> None:
        """Remove a passkey; raises Refused: factor-none, factor-last."""
        now = self.clock.now()
        with self.database.transaction() as session:
            require_removable(session, person)
            row = session.get(PasskeyRow, passkey_id)
            if row is None or row.account_id != person.account_id:
                raise Refused("factor-none")
            session.delete(row)
            session.flush()
            record(session, now, person.actor, "account.remove-passkey", person, name=row.name)
            self.letters.post(session, person, Event.PASSKEY_REMOVED, now, row.name)
            after_removing(session, person.account_id)

    def prove(self, door: Door, visit: bytes, answer: str, person: Person | None = None) -> Person:
        """Check a browser's answer and return whose passkey it is: the given person's, or at log-in anybody's of the door.

        Raises Refused: passkey-refused, the same for unknown, foreign and copied ones, and passkey-late.
        """
        now = self.clock.now()
        challenge = self._used_challenge(visit, Purpose.STEP_UP if person else Purpose.LOG_IN, now)
        credential_id = credential_id_of(answer)
        refused: Refused | None = None
        with self.database.transaction() as session:
            # Held until the count is written: of two copies that answer at once one is late.
            row = session.scalar(select(PasskeyRow).where(PasskeyRow.credential_id == credential_id).with_for_update())
            owner = self._owner(session, row, door, person)
            if row is None or owner is None:
                raise Refused("passkey-refused")
            try:
                kept = Credential(row.credential_id, row.public_key, row.sign_count)
                row.sign_count, row.used_at = self.relying_party.proven(answer, challenge, kept), now
                record(session, now, owner.actor, "account.prove", owner, means="passkey")
            except Refused as refusal:
                refused = refusal
                record(session, now, owner.actor, "account.prove-failed", owner, means="passkey")
        if refused is not None:
            raise refused
        return owner

    def _of(self, person: Person) -> list[bytes]:
        with self.database.snapshot() as session:
            return list(session.scalars(select(PasskeyRow.credential_id).where(PasskeyRow.account_id == person.account_id)))

    def _owner(self, session: Session, row: PasskeyRow | None, door: Door, person: Person | None) -> Person | None:
        account = session.get(AccountRow, row.account_id) if row else None
        if account is None or account.door != door.value or account.state != AccountState.ACTIVE.value:
            return None
        return person_of(account) if person is None or person.account_id == account.id else None

    def _challenge(self, visit: bytes, purpose: Purpose) -> bytes:
        challenge = secrets.token_bytes(32)
        with self.database.transaction() as session:
            session.merge(
                ChallengeRow(token_hash=visit, purpose=purpose.value, challenge=challenge, created_at=self.clock.now())
            )  # fmt: skip
        return challenge

    def _used_challenge(self, visit: bytes, purpose: Purpose, now: datetime) -> bytes:
        """Take the visit's challenge away, so that no answer counts twice; raises Refused("passkey-late")."""
        mine = (ChallengeRow.token_hash == visit) & (ChallengeRow.purpose == purpose.value)
        with self.database.transaction() as session:
            row = session.scalar(select(ChallengeRow).where(mine).with_for_update())
            if row is not None:
                session.execute(delete(ChallengeRow).where(mine))
        if row is None or now - row.created_at > CHALLENGE_LIFE:
            raise Refused("passkey-late")
        return row.challenge


def purge(session: Session, now: datetime) -> int:
    """Delete challenges that nobody answered. Part of a job."""
    return int(session.execute(delete(ChallengeRow).where(ChallengeRow.created_at < now - CHALLENGE_LIFE)).rowcount)  # type: ignore[attr-defined]
