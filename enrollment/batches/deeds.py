"""What a person of an office does with batches: upload, confirm, cancel, fetch the certificates. No signing key, no opener."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from enrollment import disclosure
from enrollment.batches import packages, records, uploads
from enrollment.batches.records import LIFECYCLE, BatchEvent, BatchState, ItemState
from enrollment.batches.tables import BatchItemRow, BatchRow
from enrollment.batches.uploads import Read
from enrollment.code_sets import CodeSetState
from enrollment.disclosure import Disclosure
from enrollment.tables import CodeSetRow
from kernel import audit
from kernel.audit import Actor
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from registry import terminals

# Batches of an office that wait or are worked off: a second window is fine, a flood is not.
MOST_OPEN = 5


@dataclass(frozen=True)
class Batches:
    """An office's batches."""

    database: Database
    clock: Clock

    def upload(self, office_code: str, files: Sequence[tuple[str, bytes]], actor: Actor) -> str:
        """Keep what was uploaded and return the batch's id; what is wrong with a file stands beside it.

        Raises what `uploads.read` raises, Refused("batch-open", most=…), and Refused("codes-split") for an office whose
        contract lets nobody have all of its codes.
        """
        found = uploads.read(files)
        now = self.clock.now()
        with self.database.transaction() as session:
            require_whole(session, office_code)
            if _open_count(session, office_code) >= MOST_OPEN:
                raise Refused("batch-open", most=MOST_OPEN)
            own = set(terminals.named(session, {one.terminal for one in found if one.terminal}))
            usable = _usable_sets(session, office_code, own)
            batch_id = secrets.token_hex(16)
            session.add(
                BatchRow(
                    id=batch_id,
                    office_code=office_code,
                    state=BatchState.UPLOADED.value,
                    uploader=str(actor),
                    uploaded_at=now,
                )
            )
            session.flush()
            for place, one in enumerate(found, start=1):
                session.add(_item(batch_id, place, one, usable, now))
            _record(session, batch_id, office_code, "batch.upload", actor, now, files=len(found))
        return batch_id

    def confirm(self, batch_id: str, office_code: str, actor: Actor, *, source: str) -> None:
        """Let a batch be redeemed; the caller has just proven to be `actor`, at the address `source`.

        Each request is bound to the code set that its terminal has now: codes that come later are another matter.
        Raises Refused("batch-unknown"), "batch-state", "codes-split".
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _locked(session, batch_id, office_code)
            require_whole(session, office_code)
            row.state = LIFECYCLE.step(BatchState(row.state), BatchEvent.CONFIRM).value
            row.confirmer, row.confirmed_at, row.source = str(actor), now, source[:45]
            ready = session.scalars(
                select(BatchItemRow).where(BatchItemRow.batch == batch_id, BatchItemRow.state == ItemState.READY)
            ).all()
            sets = _usable_sets(session, office_code, {item.terminal for item in ready if item.terminal})
            for item in ready:
                item.code_set = sets.get(item.terminal or "")
                if item.code_set is None:
                    item.state, item.reason, item.decided_at = ItemState.REFUSED.value, "codes-none", now
                else:
                    item.state, item.next_try_at = ItemState.CONFIRMED.value, now
            confirmed = [item for item in ready if item.code_set]
            _record(session, batch_id, office_code, "batch.confirm", actor, now, terminals=len(confirmed))
            entries = (audit.Subject(f"terminal:{item.terminal}", office_code, {"batch": batch_id}) for item in confirmed)
            audit.record_all(session, entries, now=now, actor=actor, action="codes.use-in-batch")

    def cancel(self, batch_id: str, office_code: str, actor: Actor) -> None:
        """Leave what was not redeemed yet unredeemed. Raises Refused("batch-unknown"), "batch-state".

        What was redeemed and not noted yet is left to be noted; so is, at last, what is being signed at this moment.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _locked(session, batch_id, office_code)
            row.state = LIFECYCLE.step(BatchState(row.state), BatchEvent.CANCEL).value
            waiting = BatchItemRow.state.in_((ItemState.READY, ItemState.CONFIRMED))
            cancelled = {"state": ItemState.CANCELLED.value, "decided_at": now, "next_try_at": None}
            redeemed = select(CodeSetRow.id).where(
                CodeSetRow.state == CodeSetState.REDEEMED, CodeSetRow.id == BatchItemRow.code_set
            )
            left = BatchItemRow.batch == batch_id, waiting, ~redeemed.exists()
            session.execute(update(BatchItemRow).where(*left).values(**cancelled))
            _record(session, batch_id, office_code, "batch.cancel", actor, now)

    def certificates(self, batch_id: str, office_code: str) -> bytes:
        """Return a ZIP of all certificates that a batch brought so far.

        Raises Refused("batch-unknown") and Refused("batch-no-certificates").
        """
        with self.database.snapshot() as session:
            if records.find(session, batch_id, office_code) is None:
                raise Refused("batch-unknown")
            done = [item for item in records.items(session, batch_id) if item.state is ItemState.DONE]
            if not done:
                raise Refused("batch-no-certificates")
            return packages.certificates(session, done)


def _locked(session: Session, batch_id: str, office_code: str) -> BatchRow:
    row = session.get(BatchRow, batch_id, with_for_update=True, populate_existing=True)
    if row is None or row.office_code != office_code:
        raise Refused("batch-unknown")
    return row


def require_whole(session: Session, office_code: str) -> None:
    """Raise Refused("codes-split") for an office whose contract lets nobody have all of its codes."""
    # A batch uses access key, code 2 and code 3 on one person's word: what the contract divides between two is not that one's.
    if disclosure.of_office(session, office_code) is Disclosure.SPLIT:
        raise Refused("codes-split")


def _open_count(session: Session, office_code: str) -> int:
    has_waiting = (
        select(BatchItemRow.batch)
        .where(BatchItemRow.batch == BatchRow.id, BatchItemRow.state.in_((ItemState.READY, ItemState.CONFIRMED)))
        .exists()
    )
    is_open = BatchRow.office_code == office_code, BatchRow.state != BatchState.CANCELLED, has_waiting
    return session.scalar(select(func.count()).select_from(BatchRow).where(*is_open)) or 0


def _usable_sets(session: Session, office_code: str, names: Collection[str]) -> dict[str, str]:
    """Return the code sets, by terminal of the office, that can be redeemed now."""
    query = select(CodeSetRow.terminal, CodeSetRow.id).where(
        CodeSetRow.terminal.in_(names),
        CodeSetRow.office_code == office_code,
        CodeSetRow.state.in_((CodeSetState.PREPARED, CodeSetState.CLAIMED)),
    )
    return dict(session.execute(query).all())


def _item(batch_id: str, place: int, one: Read, usable: Collection[str], now: datetime) -> BatchItemRow:
    # Another office's terminal is told like one without codes: whether it exists is not this office's to know.
    fault = one.fault or (None if one.terminal in usable else "codes-none")
    return BatchItemRow(
        batch=batch_id,
        place=place,
        file_name=one.file_name,
        terminal=one.terminal,
        request=None if fault else one.request,
        state=ItemState.REFUSED.value if fault else ItemState.READY.value,
        reason=fault,
        facts=dict(one.facts) if fault else None,
        decided_at=now if fault else None,
    )


def _record(session: Session, batch_id: str, office_code: str, action: str, actor: Actor, now: datetime, **facts: int) -> None:
    entry = audit.Subject(f"batch:{batch_id}", office_code, facts)
    audit.record_all(session, [entry], now=now, actor=actor, action=action)
