"""What is done with attachments: sent with a draft or an answer, taken back, read, purged."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from kernel import audit
from kernel.clock import Clock
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from registry import drafts
from registry.attachments import records
from registry.attachments.contents import TYPES, FileType, check_file
from registry.attachments.names import clean_name
from registry.attachments.records import Attachment, AttachmentFileRow, AttachmentRow, attachment_of
from registry.attachments.store import Aside, Store
from registry.drafts import Customer
from registry.faults import Faults, FieldFault, Invalid
from registry.tables import ApplicationRow, DraftRow

FIELD = "files"
MEGABYTE = 1024 * 1024
_ID_DIGITS = 32


@dataclass(frozen=True)
class Limits:
    """How many files may be sent at once (with a draft, with an answer), and of how many octets each."""

    most: int = 5
    octets: int = 5 * MEGABYTE


@dataclass(frozen=True)
class Sent:
    """Files that were checked and written aside: inside a transaction they can be entered for a draft or an application."""

    store: Store
    limits: Limits
    files: tuple[tuple[str, Aside], ...] = ()

    def enter_draft(self, session: Session, draft_id: str, actor: audit.Actor, now: datetime) -> tuple[Attachment, ...]:
        """Attach the files to a draft whose row is held, and return them; the same file is attached once.

        Raises Invalid(files-most).
        """
        present = records.of_draft(session, draft_id)
        known = {(one.sha256, one.name): one for one in present}
        fresh = [file for file in self.files if (file[1].sha256, file[0]) not in known]
        if len(present) + len(fresh) > self.limits.most:
            raise Invalid(Faults([FieldFault(FIELD, "files-most", {"most": self.limits.most})]))
        entered = self._enter(session, fresh, {"draft_id": draft_id}, actor, now)
        return (*(known[aside.sha256, name] for name, aside in self.files if (aside.sha256, name) in known), *entered)

    def enter_application(
        self, session: Session, row: ApplicationRow, actor: audit.Actor, now: datetime
    ) -> tuple[Attachment, ...]:
        """Attach the files of an answer to an application whose row is held, and return them."""
        return self._enter(session, self.files, {"receipt_number": row.receipt_number, "version": row.version}, actor, now)

    def _enter(
        self,
        session: Session,
        files: Sequence[tuple[str, Aside]],
        owner: dict[str, object],
        actor: audit.Actor,
        now: datetime,
    ) -> tuple[Attachment, ...]:  # fmt: skip
        # In one order, so that two who send the same files wait for each other and not for ever.
        for aside in sorted({aside.sha256: aside for _, aside in files}.values(), key=lambda aside: aside.sha256):
            records.hold_content(session, aside.sha256, now)
            self.store.place(aside)
        rows = [
            AttachmentRow(
                id=secrets.token_hex(_ID_DIGITS // 2),
                name=name,
                size=aside.size,
                sha256=aside.sha256,
                attached_at=now,
                attached_by=str(actor),
                **owner,
            )
            for name, aside in files
        ]
        session.add_all(rows)
        session.flush()
        return tuple(attachment_of(row) for row in rows)


@dataclass(frozen=True)
class Attachments:
    """Sends, shows and purges files. An office reads its own; staff read all."""

    database: Database
    clock: Clock
    store: Store
    limits: Limits = Limits()

    @contextmanager
    def sent(self, files: Sequence[tuple[str, bytes]]) -> Iterator[Sent]:
        """Check files (name as sent, content) and write them aside while the block lasts.

        Raises Invalid (field `files`): file-large (with `most` megabytes), files-most, and those of `contents`, each with
        the file's `name`.
        """
        checked, faults = [], list[FieldFault]()
        for raw, content in files:
            name = clean_name(raw)
            fault = self._fault_of(name, content)
            checked.append((name, content))
            faults += [fault] if fault else []
        if len(files) > self.limits.most:
            faults.append(FieldFault(FIELD, "files-most", {"most": self.limits.most}))
        if faults:
            raise Invalid(Faults(faults))
        written: list[tuple[str, Aside]] = []
        try:
            for name, content in checked:
                written.append((name, self.store.write_aside(content)))
            yield Sent(self.store, self.limits, tuple(written))
        finally:
            for _, aside in written:
                self.store.drop(aside)

    def attach(self, customer: Customer, draft_id: str, files: Sequence[tuple[str, bytes]]) -> tuple[Attachment, ...]:
        """Attach files to the customer's own draft and return them.

        Raises Invalid as `sent` does, Refused("draft-unknown").
        """
        now = self.clock.now()
        with self.sent(files) as sent, self.database.transaction() as session:
            row = _held(session, customer, draft_id)
            entered = sent.enter_draft(session, draft_id, customer.actor, now)
            row.version, row.updated_at = row.version + 1, now
            return entered

    def detach(self, customer: Customer, draft_id: str, attachment_id: str) -> None:
        """Take a file back from the customer's own draft; one that is gone already may be taken back again.

        Raises Refused("draft-unknown").
        """
        with self.database.transaction() as session:
            row = _held(session, customer, draft_id)
            is_it = (AttachmentRow.id == attachment_id, AttachmentRow.draft_id == draft_id)
            session.execute(delete(AttachmentRow).where(*is_it))
            row.version, row.updated_at = row.version + 1, self.clock.now()

    def of_draft(self, draft_id: str) -> tuple[Attachment, ...]:
        """Return what is attached to a draft."""
        with self.database.snapshot() as session:
            return records.of_draft(session, draft_id)

    def read(self, receipt_number: str, attachment_id: str, *, office_code: str | None = None) -> tuple[Attachment, bytes]:
        """Return a file of an application; with an office, only of that office's own.

        Raises Refused with attachment-unknown, attachment-lost.
        """
        query = select(AttachmentRow).join(ApplicationRow).where(AttachmentRow.receipt_number == receipt_number)
        if office_code is not None:
            query = query.where(ApplicationRow.office_code == office_code)
        with self.database.snapshot() as session:
            row = session.scalar(query.where(AttachmentRow.id == attachment_id))
        if row is None:
            raise Refused("attachment-unknown")
        return attachment_of(row), self.store.read(row.sha256)

    def read_own(self, customer: Customer, draft_id: str, attachment_id: str) -> tuple[Attachment, bytes]:
        """Return a file of the customer's own draft; raise as `read` does."""
        query = select(AttachmentRow).join(DraftRow, DraftRow.id == AttachmentRow.draft_id)
        own = (DraftRow.office_code == customer.office_code, DraftRow.login == customer.login)
        with self.database.snapshot() as session:
            row = session.scalar(query.where(*own, DraftRow.id == draft_id, AttachmentRow.id == attachment_id))
        if row is None:
            raise Refused("attachment-unknown")
        return attachment_of(row), self.store.read(row.sha256)

    def purge(self, now: datetime) -> int:
        """Delete what belongs to no draft and no application any more, and return how many files. A job."""
        with self.database.snapshot() as session:
            stale = session.scalar(select(exists().where(_OF_NO_DRAFT)))
        if stale:
            with self.database.transaction() as session:
                session.execute(delete(AttachmentRow).where(_OF_NO_DRAFT))
        with self.database.snapshot() as session:
            unowned = select(AttachmentFileRow.sha256).where(~exists().where(AttachmentRow.sha256 == AttachmentFileRow.sha256))
            ownerless = session.scalars(unowned).all()
            known = set(session.scalars(select(AttachmentFileRow.sha256)))
        purged = sum(self._purge(sha256) for sha256 in ownerless)
        purged += sum(self._purge_unknown(sha256, now) for sha256 in self.store.digests() if sha256 not in known)
        return purged + self.store.sweep()

    def lost(self) -> tuple[str, ...]:
        """Return the digests of files that should be there and are not."""
        with self.database.snapshot() as session:
            wanted = set(session.scalars(select(AttachmentRow.sha256)))
        return tuple(sorted(wanted - set(self.store.digests())))

    def _fault_of(self, name: str, content: bytes) -> FieldFault | None:
        if len(content) > self.limits.octets:
            return FieldFault(FIELD, "file-large", {"name": name, "most": self.limits.octets // MEGABYTE})
        found = check_file(name, content)
        if isinstance(found, FileType):
            return None
        return FieldFault(FIELD, found, {"name": name, "types": ", ".join(kind.name for kind in TYPES)})

    def _purge(self, sha256: str) -> bool:
        with self.database.transaction() as session:
            held = session.get(AttachmentFileRow, sha256, with_for_update=True)
            if held is None or records.has_owner(session, sha256):
                return False
            self.store.remove(sha256)
            session.delete(held)
            return True

    def _purge_unknown(self, sha256: str, now: datetime) -> bool:
        """Delete a file without a row, which is one whose transaction broke, unless its row has come meanwhile."""
        with self.database.transaction() as session:
            # Whoever writes this content at the moment holds its row: this waits for them, and then finds it.
            if not insert_if_absent(session, AttachmentFileRow, {"sha256": sha256, "stored_at": now}):
                return False
            self.store.remove(sha256)
            session.execute(delete(AttachmentFileRow).where(AttachmentFileRow.sha256 == sha256))
            return True


_OF_NO_DRAFT = AttachmentRow.draft_id.is_not(None) & ~exists().where(DraftRow.id == AttachmentRow.draft_id)


def _held(session: Session, customer: Customer, draft_id: str) -> DraftRow:
    row = drafts.locked(session, customer, draft_id)
    if row is None:
        raise Refused("draft-unknown")
    return row
