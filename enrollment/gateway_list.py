"""The gateways' positive list as it is published: numbered, signed, on record, then renamed into place.

As with revocation lists (`ca.crl`): a number is taken in a transaction of its own, together with a snapshot of what is listed,
so a higher number never shows less; the head is signed outside of any; it is in force once its row is stored, and the files
follow under the folder's lock, the head last.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import BigInteger, Integer, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ca.crl_drafts import publishing, sync_folder
from enrollment import gateway_head
from enrollment.gateway_head import Head
from enrollment.gateway_members import Members
from kernel import audit
from kernel.audit import CheckpointSigner
from kernel.database import Base, Database, UtcDateTime, forbid_open_transaction, insert_if_absent

# A head is signed anew so often, also when nothing changed: whoever follows knows that we are there.
PERIOD = timedelta(minutes=1)
# How long a gateway may go by a head when it hears nothing more. Afterwards it lets nobody pass.
LIFETIME = timedelta(hours=12)
HEAD = "head"


class ClockBehindError(Exception):
    """The clock is behind the newest head that was signed: signing now would turn time back for the gateways."""


class GatewayListRow(Base):
    """The list's head: one row, locked by whoever takes a number. `taken` is the last number, `note` the head in force."""

    __tablename__ = "enrollment_gateway_list"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    taken: Mapped[int] = mapped_column(BigInteger)
    taken_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    number: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True)
class _InForce:
    """What was published last, and that its files are what they should be; `lines` where this process knows them."""

    head: Head
    lines: frozenset[bytes] | None


@dataclass
class GatewayList:
    """Publishes the list into a folder. For one thread of one process; others may do the same, elsewhere."""

    database: Database
    signer: CheckpointSigner
    folder: Path
    # A list as a whole is written after so many changes; until then there are deltas.
    most_deltas: int = 60
    members: Members = field(default_factory=Members, repr=False)
    # The list that this process published or read last, by its number.
    _known: tuple[int, frozenset[bytes]] | None = field(default=None, repr=False)
    _digest: tuple[frozenset[bytes], str] | None = field(default=None, repr=False)

    def publish_if_due(self, now: datetime) -> int | None:
        """Publish when the list changed, when a period is over, or when a file is missing; return the number. A job.

        Raises ClockBehindError.
        """
        moment = now.replace(microsecond=0)
        with self.database.snapshot() as session:
            self.members.follow(session, now)
            row = session.get(GatewayListRow, 1)
            note = row.note if row else None
        standing = self._standing(note)
        if standing is not None:
            is_over = moment >= standing.head.this_update + PERIOD
            lines, digest = self._digest_at(now)
            if digest == standing.head.sha256:
                self._known = standing.head.list_number, lines
                if not is_over:
                    return None
        return self._publish(moment, now)

    def _publish(self, moment: datetime, now: datetime) -> int:
        floor = self._floor()
        with self.database.transaction() as session:
            row = _locked(session)
            if moment < max(row.taken_at or moment, floor[1] if floor else moment):
                raise ClockBehindError(f"now is {moment}, the gateways' list {row.taken} is of {row.taken_at}")
            # At least the seconds of the era: whatever a restored backup forgot was lower.
            row.taken = number = max(row.taken + 1, floor[0] + 1 if floor else 0, int(moment.timestamp()))
            row.taken_at = moment
            note = row.note
            # Opened under the row's lock: a list with a higher number never shows less.
            with self.database.snapshot() as view:
                self.members.follow(view, now)
        lines, digest = self._digest_at(now)
        standing = self._standing(note)
        head = self._head(number, moment, (len(lines), digest), standing)
        forbid_open_transaction()
        self._put_in_force(head, head.note(self.signer), lines, standing, now)
        return number

    def _digest_at(self, now: datetime) -> tuple[frozenset[bytes], str]:
        lines = self.members.lines(now)
        if self._digest is None or self._digest[0] is not lines:
            self._digest = (lines, gateway_head.digest(gateway_head.listing(lines)))
        return self._digest

    def _head(self, number: int, moment: datetime, content: tuple[int, str], standing: _InForce | None) -> Head:
        entries, digest = content
        list_number = snapshot = number
        if standing is not None and standing.head.sha256 == digest:
            list_number, snapshot = standing.head.list_number, standing.head.snapshot
        elif (
            standing is not None and standing.lines is not None and self._deltas_since(standing.head.snapshot) < self.most_deltas
        ):
            snapshot = standing.head.snapshot
        return Head(number, moment, moment + LIFETIME, list_number, entries, digest, snapshot)

    def _deltas_since(self, snapshot: int) -> int:
        return sum(number > snapshot for number in _numbers(self.folder, ".delta"))

    def _standing(self, note: str | None) -> _InForce | None:
        """Return what is in force, if the files are what our records say."""
        if note is None or _read(self.folder / HEAD) != note.encode():
            return None
        head = gateway_head.read(note.rpartition("\n\n")[0] + "\n", self.signer.origin)
        if not (self.folder / f"{head.snapshot}.list").exists():
            return None
        if head.list_number != head.snapshot and not (self.folder / f"{head.list_number}.delta").exists():
            return None
        lines = self._known[1] if self._known is not None and self._known[0] == head.list_number else None
        return _InForce(head, lines)

    def _floor(self) -> tuple[int, datetime] | None:
        """Return number and time of the published head: our records may have been restored from a backup."""
        content = _read(self.folder / HEAD)
        try:
            note = (content or b"").decode()
            head = gateway_head.read(note.rpartition("\n\n")[0] + "\n", self.signer.origin)
        except (gateway_head.ListRefused, UnicodeDecodeError):
            return None
        return head.number, head.this_update

    def _put_in_force(
        self, head: Head, note: str, lines: frozenset[bytes], standing: _InForce | None, now: datetime
    ) -> None:  # fmt: skip
        with publishing(self.folder):
            with self.database.transaction() as session:
                row = _locked(session)
                if row.number > head.number:
                    return
                row.number, row.note = head.number, note
                if head.list_number == head.number:
                    _record(session, head, now)
            if head.list_number == head.number:
                self._write_list(head, lines, standing)
            _write(self.folder / HEAD, note.encode())
            self._sweep(head)
        self._known = (head.list_number, lines)

    def _write_list(self, head: Head, lines: frozenset[bytes], standing: _InForce | None) -> None:
        if head.snapshot == head.number:
            _write(self.folder / f"{head.number}.list", gateway_head.listing(lines))
        if standing is not None and standing.lines is not None:
            # Beside a whole list, too: who follows needs to fetch no more than what changed.
            change = gateway_head.delta(standing.head.list_number, standing.lines, lines)
            _write(self.folder / f"{head.number}.delta", change)

    def _sweep(self, head: Head) -> None:
        """Drop what nobody needs who saw the head before this one's snapshot."""
        kept = sorted(number for number in _numbers(self.folder, ".list") if number < head.snapshot)[-1:]
        oldest = kept[0] if kept else head.snapshot
        for suffix in (".list", ".delta"):
            for number in _numbers(self.folder, suffix):
                if number < oldest:
                    (self.folder / f"{number}{suffix}").unlink(missing_ok=True)


def _locked(session: Session) -> GatewayListRow:
    insert_if_absent(session, GatewayListRow, {"id": 1, "taken": 0, "number": 0})
    return session.scalars(select(GatewayListRow).with_for_update().execution_options(populate_existing=True)).one()


def _record(session: Session, head: Head, now: datetime) -> None:
    audit.record(
        session,
        now=now,
        actor=audit.job("gateway-list"),
        action="gateway.publish",
        subject="gateway:list",
        number=head.number,
        entries=head.entries,
        sha256=head.sha256,
    )


def _numbers(folder: Path, suffix: str) -> list[int]:
    return [int(file.stem) for file in folder.glob(f"[1-9]*{suffix}") if file.stem.isdigit()]


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _write(file: Path, content: bytes) -> None:
    """Put a file into place, durably: readers find the old one or this one, whole."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        draft.replace(file)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    sync_folder(file.parent)
