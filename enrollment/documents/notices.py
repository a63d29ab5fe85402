"""The approval notices: made once after each approval, and anew when its start date was moved. A job.

Setting and signing happen outside of any transaction; what was read is read again, under lock, before the notice is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy.orm import Session

from enrollment.documents import facts, store
from enrollment.documents.evidence import Evidence
from enrollment.documents.facts import Edition, Publisher
from enrollment.documents.signing import DocumentSigner
from enrollment.documents.store import Notice
from enrollment.documents.typesetting import typeset
from kernel.clock import tokyo_date
from kernel.database import Database
from registry import applications
from registry.applications import decisions
from registry.states import ApplicationState

_APPROVED = (ApplicationState.APPROVED, ApplicationState.PREPARED, ApplicationState.COMPLETED)


@dataclass(frozen=True)
class Equipment:
    """What signs, and what proves at this instant that nobody was revoked."""

    signer: DocumentSigner
    evidence: Evidence


@dataclass(frozen=True)
class ApprovalNotices:
    """Makes notices. `equip(now)` opens the keys, which happens only when there is something to sign.

    What failed waits behind all that did not, and the longest ago comes first: no number of lame ones keeps others waiting.
    """

    database: Database
    publisher: Publisher
    equip: Callable[[datetime], Equipment]
    # So many in one round, some twenty each second: the other jobs' threads want their turn.
    at_once: int = 50
    # When making it failed last, by receipt number.
    _failed: dict[str, datetime] = field(default_factory=dict, repr=False, compare=False)

    def make_due(self, now: datetime) -> int:
        """Make the notices that are not there yet and return how many; one's trouble stops no other one."""
        with self.database.snapshot() as session:
            due = self._in_turn(_due(session))[: self.at_once]
        if not due:
            return 0
        equipment = self.equip(now)
        made, troubles = 0, []
        for receipt_number in due:
            try:
                made += self._make(receipt_number, equipment, now)
            except Exception as error:  # noqa: BLE001 (raised below, after the others had their turn)
                error.add_note(f"while making the notice of {receipt_number}")
                self._failed[receipt_number] = now
                troubles.append(error)
        if troubles:
            raise troubles[0]
        return made

    def _in_turn(self, due: list[str]) -> list[str]:
        """Put what failed behind the others, and forget what is due no more."""
        for receipt_number in self._failed.keys() - set(due):
            del self._failed[receipt_number]
        fresh = [one for one in due if one not in self._failed]
        return fresh + sorted(self._failed, key=lambda one: self._failed[one])

    def _make(self, receipt_number: str, equipment: Equipment, now: datetime) -> bool:
        today = tokyo_date(now)
        with self.database.snapshot() as session:
            last = store.latest(session, receipt_number)
            edition = Edition(last.edition + 1, today, last.issued_on) if last else Edition(1, today)
            told = facts.approval_notice(session, receipt_number, edition, self.publisher)
        content = equipment.signer.sign(typeset(told, now), equipment.evidence, now)
        start_date = date.fromisoformat(told["start_date"])
        office = told["office"]
        notice = Notice(
            receipt_number=receipt_number,
            edition=edition.number,
            office_code=office["code"],
            start_date=start_date,
            issued_on=today,
            made_at=now,
            company=office["company"],
            office=office["name"],
            sha256=store.digest(content),
        )
        with self.database.transaction() as session:
            one = applications.find(session, receipt_number, lock=True)
            # Moved or cancelled while it was set: the next round says what is true then.
            if one is None or one.state not in _APPROVED or one.start_date != start_date:
                return False
            return store.keep(session, notice, content)


def _due(session: Session) -> list[str]:
    decided = decisions.approved(session)
    made = store.latest_of(session, [one.receipt_number for one in decided])
    return [
        one.receipt_number
        for one in decided
        if one.receipt_number not in made or made[one.receipt_number].start_date != one.start_date
    ]
