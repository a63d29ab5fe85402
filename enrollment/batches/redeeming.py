"""Redeeming confirmed batches: at the door that may sign and open sealed codes anyway, so no process learns to do more.

Each request goes through the one redemption, with the codes of the very set for which a person confirmed it. Whatever is
interrupted is repeated: the same codes with the same key give the same certificate.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from enrollment import codes as code_rules
from enrollment.batches import deeds
from enrollment.batches.records import BatchState, ItemState
from enrollment.batches.tables import BatchItemRow, BatchRow
from enrollment.code_sets import CodeSetState
from enrollment.codes import Codes
from enrollment.interfaces import Interface
from enrollment.redemption import Redemption
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
        """Redeem what is due and return how many requests were decided. A job; two at once do no harm.

        A fault of ours is raised as the job's failure after the others, none of which waits behind it.
        """
        self._forget(now)
        decided, faults = 0, list[Exception]()
        while due := self._due(now):
            for place in due:
                decided += self._decide(place, faults)
        if faults:
            raise faults[0]
        return decided

    def _due(self, now: datetime) -> "list[_Place]":
        """Return where to look: what stands there is read one by one, so that a damaged row is in no other's way."""
        query = (
            select(BatchItemRow.batch, BatchItemRow.place)
            .where(BatchItemRow.state == ItemState.CONFIRMED, BatchItemRow.next_try_at <= now)
            .order_by(BatchItemRow.next_try_at, BatchItemRow.batch, BatchItemRow.place)
        )
        with self.database.snapshot() as session:
            return [_Place(batch, number) for batch, number in session.execute(query.limit(_AT_ONCE))]

    def _decide(self, place: "_Place", faults: list[Exception]) -> bool:
        """Redeem one request and note what came of it; return whether it was decided. Faults of ours are added to `faults`."""
        now = self.redemption.clock.now()
        try:
            if (work := self._wanted(place, now)) is None:
                return self._note(place, now, state=ItemState.CANCELLED)
            retrieved = self.redemption.redeem(self._codes(work), work.request, work.source, Interface.BATCH)
        except Refused as refused:
            return self._refuse(place, now, refused)
        except Unavailable:
            return self._try_again(place, now + _AGAIN)
        except _DamagedError as damage:
            faults.append(damage)
            return self._note(place, now, state=ItemState.REFUSED, reason="batch-item-damaged")
        except Exception as fault:  # noqa: BLE001 (raised when the others are done)
            faults.append(fault)
            return self._try_again(place, now + _AFTER_FAULT)
        certificate = retrieved.certificate
        return self._note(place, now, state=ItemState.DONE, issuer=certificate.issuer, serial=certificate.serial)

    def _refuse(self, place: "_Place", now: datetime, refused: Refused) -> bool:
        if refused.code == "throttled":
            return self._try_again(place, now + timedelta(seconds=int(str(refused.facts.get("retry_after", 60)))))
        return self._note(place, now, state=ItemState.REFUSED, reason=refused.code, facts=_plain(refused))

    def _wanted(self, place: "_Place", now: datetime) -> "_Work | None":
        """Look again, just before it is redeemed, what was confirmed; None when somebody has cancelled it meanwhile.

        Raises the refusal that fits what has become of codes, contract or confirmation, and _DamagedError.
        """
        with self.database.snapshot() as session:
            work, is_waiting = _read(session, place)
            code_set = session.get(CodeSetRow, work.code_set)
            is_redeemed = code_set is not None and code_set.state == CodeSetState.REDEEMED
            # What is redeemed already can not be stopped: the same key is given the same certificate, and so it is noted.
            if not is_redeemed:
                if not is_waiting:
                    return None
                deeds.require_whole(session, work.office_code)
                if now > work.confirmed_at + CONFIRMED_FOR:
                    raise Refused("batch-expired")
        return work

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

    def _note(self, place: "_Place", now: datetime, *, state: ItemState, **values: object) -> bool:
        # A certificate that was given is told, whatever was noted while it was signed; all else is for who still waits.
        is_open = BatchItemRow.state != state if state is ItemState.DONE else BatchItemRow.state == ItemState.CONFIRMED
        noted = {"state": state.value, "reason": None, "facts": None, "decided_at": now, "next_try_at": None, **values}
        with self.database.transaction() as session:
            result = session.execute(update(BatchItemRow).where(*place.is_this, is_open).values(noted))
            return bool(result.rowcount)  # type: ignore[attr-defined]

    def _try_again(self, place: "_Place", at: datetime) -> bool:
        """Put a request off, unless it was decided meanwhile; False: that decides nothing."""
        waiting = BatchItemRow.state == ItemState.CONFIRMED
        with self.database.transaction() as session:
            session.execute(update(BatchItemRow).where(*place.is_this, waiting).values(next_try_at=at))
        return False

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
class _Place:
    """Which request of which batch."""

    batch: str
    number: int

    @property
    def is_this(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """The condition that finds its row."""
        return BatchItemRow.batch == self.batch, BatchItemRow.place == self.number


@dataclass(frozen=True)
class _Work:
    """A confirmed request, and what was confirmed of it."""

    office_code: str
    terminal: str
    code_set: str
    request: bytes
    source: str
    confirmed_at: datetime


class _DamagedError(Exception):
    """A row does not say what a confirmation has written."""


def _read(session: Session, place: _Place) -> tuple[_Work, bool]:
    """Return what was confirmed, and whether it still is; raises _DamagedError."""
    try:
        item, batch = session.get_one(BatchItemRow, (place.batch, place.number)), session.get_one(BatchRow, place.batch)
    except (ValueError, NoResultFound) as error:
        raise _DamagedError(f"{place} can not be read") from error
    terminal, code_set, request = item.terminal, item.code_set, item.request
    if terminal is None or code_set is None or request is None or batch.confirmed_at is None:
        raise _DamagedError(f"{place} is not whole")
    is_waiting = item.state == ItemState.CONFIRMED and batch.state == BatchState.CONFIRMED
    return _Work(batch.office_code, terminal, code_set, request, batch.source or "", batch.confirmed_at), is_waiting


def _plain(refused: Refused) -> dict[str, str | int]:
    return {name: value for name, value in refused.facts.items() if isinstance(value, str | int)}
