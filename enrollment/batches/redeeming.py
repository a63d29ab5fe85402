"""Redeeming confirmed batches: at the door that may sign and open sealed codes anyway, so no process learns to do more.

Each request goes through the one redemption, with the codes of the very set for which a person confirmed it. Whatever is
interrupted is repeated: the same codes with the same key give the same certificate.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update

from enrollment import codes as code_rules
from enrollment.batches.records import BatchState, ItemState
from enrollment.batches.tables import BatchItemRow, BatchRow
from enrollment.code_sets import CodeSetState
from enrollment.codes import Codes
from enrollment.interfaces import Interface
from enrollment.redemption import Redemption, Retrieved
from enrollment.tables import CodeSetRow
from kernel.database import Database
from kernel.errors import Refused, Unavailable
from keys.codes import Opener, UnsealingError

# A confirmation is for now, not for ever; and what nobody confirmed is not kept.
CONFIRMED_FOR = KEPT_UNCONFIRMED = timedelta(hours=24)
_AT_ONCE = 20
_AGAIN, _AFTER_FAULT = timedelta(seconds=10), timedelta(minutes=5)


@dataclass(frozen=True)
class BatchRedemption:
    """Works off what was confirmed. Holds the opener of sealed codes and, inside `redemption`, the right to sign."""

    redemption: Redemption
    opener: Opener

    @property
    def database(self) -> Database:
        """Where batches and codes are."""
        return self.redemption.database

    def work_off(self, now: datetime) -> int:
        """Redeem what is due and return how many requests were decided. A job; two at once do no harm."""
        self._forget(now)
        decided = 0
        while due := self._due(now):
            for work in due:
                decided += self._decide(work)
        return decided

    def _due(self, now: datetime) -> "list[_Work]":
        query = (
            select(BatchItemRow, BatchRow)
            .join(BatchRow, BatchRow.id == BatchItemRow.batch)
            .where(BatchItemRow.state == ItemState.CONFIRMED, BatchItemRow.next_try_at <= now)
            .order_by(BatchItemRow.next_try_at, BatchItemRow.batch, BatchItemRow.place)
        )
        with self.database.snapshot() as session:
            found = session.execute(query.limit(_AT_ONCE)).all()
            return [_Work.of(item, batch) for item, batch in found]

    def _decide(self, work: "_Work") -> bool:
        """Redeem one request and note what came of it; return whether it was decided."""
        now = self.redemption.clock.now()
        try:
            retrieved = self._redeem(work, now)
        except Refused as refused:
            if refused.code == "throttled":
                self._try_again(work, now + timedelta(seconds=int(str(refused.facts.get("retry_after", 60)))))
                return False
            return self._note(work, now, state=ItemState.REFUSED, reason=refused.code, facts=_plain(refused))
        except Unavailable:
            self._try_again(work, now + _AGAIN)
            return False
        except Exception:
            # A fault of ours is told as the job's failure, and the others do not wait behind it.
            self._try_again(work, now + _AFTER_FAULT)
            raise
        certificate = retrieved.certificate
        return self._note(work, now, state=ItemState.DONE, issuer=certificate.issuer, serial=certificate.serial)

    def _redeem(self, work: "_Work", now: datetime) -> Retrieved:
        if now > work.confirmed_at + CONFIRMED_FOR:
            raise Refused("batch-expired")
        return self.redemption.redeem(self._codes(work), work.request, work.source, Interface.BATCH)

    def _codes(self, work: "_Work") -> Codes:
        """Open the codes of the set that was confirmed; raises the refusal that fits when there is nothing to open."""
        with self.database.snapshot() as session:
            row = session.get(CodeSetRow, work.code_set)
            if row is None or row.office_code != work.office_code or row.terminal != work.terminal:
                raise Refused("codes-none")
            sealed, state = row.sealed, CodeSetState(row.state)
        if sealed is None:
            code = "codes-spent" if state is CodeSetState.REDEEMED else f"codes-{state.value}"
            raise Refused(code, terminal=work.terminal)
        try:
            return code_rules.unseal(
                self.opener, sealed, code_set_id=work.code_set, terminal=work.terminal, office_code=work.office_code
            )
        except UnsealingError as error:
            raise ValueError(f"the sealed copy of code set {work.code_set} does not open") from error

    def _note(self, work: "_Work", now: datetime, *, state: ItemState, **values: object) -> bool:
        undecided = (*work.is_this, BatchItemRow.state == ItemState.CONFIRMED)
        with self.database.transaction() as session:
            decided = update(BatchItemRow).where(*undecided)
            result = session.execute(decided.values(state=state.value, decided_at=now, next_try_at=None, **values))
            return bool(result.rowcount)  # type: ignore[attr-defined]

    def _try_again(self, work: "_Work", at: datetime) -> None:
        with self.database.transaction() as session:
            session.execute(update(BatchItemRow).where(*work.is_this).values(next_try_at=at))

    def _forget(self, now: datetime) -> None:
        """Delete batches that nobody confirmed within a day."""
        old = BatchRow.state == BatchState.UPLOADED, BatchRow.uploaded_at < now - KEPT_UNCONFIRMED
        with self.database.snapshot() as session:
            ids = session.scalars(select(BatchRow.id).where(*old).limit(100)).all()
        if ids:
            with self.database.transaction() as session:
                session.execute(delete(BatchItemRow).where(BatchItemRow.batch.in_(ids)))
                session.execute(delete(BatchRow).where(BatchRow.id.in_(ids), *old))


@dataclass(frozen=True)
class _Work:
    """A confirmed request, and what was confirmed of it."""

    batch: str
    place: int
    office_code: str
    terminal: str
    code_set: str
    request: bytes
    source: str
    confirmed_at: datetime

    @classmethod
    def of(cls, item: BatchItemRow, batch: BatchRow) -> "_Work":
        """Return a row's content; raises ValueError for one that no confirmation can have made."""
        terminal, code_set, request = item.terminal, item.code_set, item.request
        if terminal is None or code_set is None or request is None or batch.confirmed_at is None:
            raise ValueError(f"item {item.place} of batch {item.batch} is not whole")
        return cls(item.batch, item.place, batch.office_code, terminal, code_set, request, batch.source or "", batch.confirmed_at)

    @property
    def is_this(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """The condition that finds its row."""
        return BatchItemRow.batch == self.batch, BatchItemRow.place == self.place


def _plain(refused: Refused) -> dict[str, str | int]:
    return {name: value for name, value in refused.facts.items() if isinstance(value, str | int)}
