"""The log by its names: under which origin it was begun, and each time that it had to go on under another one.

Checkpoints bind us to a log's name (C2SP tlog-checkpoint). A restored backup may have lost entries that were signed for;
then nothing may be signed under that name again. The log goes on under the next name, and says in public what was lost.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import BigInteger, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.audit.notes import Checkpoint
from kernel.database import Base, UtcDateTime, insert_if_absent

FIRST = 1
# No checkpoint has such a line (its second is a number), so no signature under a statement can pass for one of a checkpoint.
TITLE = "The audit log goes on under another name"


class AuditLog(Base):
    """One name of the log. `kept` is how many leaves of the name before are proven to stand here; the first has none before."""

    __tablename__ = "kernel_audit_log"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    origin: Mapped[str] = mapped_column(String(255), unique=True)
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    kept: Mapped[int | None] = mapped_column(BigInteger)
    statement: Mapped[str | None] = mapped_column(Text)


@dataclass(frozen=True)
class LogName:
    """A name of the log, as `AuditLog` has it."""

    number: int
    origin: str
    begun_at: datetime
    kept: int | None
    statement: str | None


def found(session: Session, origin: str, now: datetime) -> LogName:
    """Return the name of the log, which is `origin` if it has none yet. It stays, wherever the log is published later."""
    insert_if_absent(session, AuditLog, {"number": FIRST, "origin": origin, "begun_at": now})
    return names(session)[-1]


def names(session: Session) -> list[LogName]:
    """Return the log's names, the present one last; none before the log was founded."""
    rows = session.scalars(select(AuditLog).order_by(AuditLog.number))
    return [LogName(row.number, row.origin, row.begun_at, row.kept, row.statement) for row in rows]


def present_number(session: Session) -> int:
    """Return the number of the present name."""
    newest = session.scalar(select(AuditLog.number).order_by(AuditLog.number.desc()).limit(1))
    return FIRST if newest is None else newest


def kept_of(known: Sequence[LogName], number: int) -> int | None:
    """Return how many leaves stand still of those that a name signed for; None: all, for it is the present one."""
    later = [one.kept or 0 for one in known if one.number > number]
    return min(later) if later else None


@dataclass(frozen=True)
class Statement:
    """What is said in public when the log goes on: what of it is proven to stand, and the heads of what does not."""

    before: str
    after: str
    at: datetime
    kept: int
    lost: tuple[Checkpoint, ...]
    reason: str

    @property
    def text(self) -> str:
        """The text that is signed, under both names; of `lost` it has size, root and name, as they stand in checkpoints."""
        heads = [f"lost: {head.size} {base64.b64encode(head.root).decode()} {head.origin}" for head in self.lost]
        lines = [
            TITLE,
            f"before: {self.before}",
            f"after: {self.after}",
            f"at: {self.at.astimezone(UTC).isoformat(timespec='seconds')}",
            f"kept: {self.kept}",
            *heads,
            f"reason: {' '.join(self.reason.split())}",
        ]
        return "".join(f"{line}\n" for line in lines)


def is_stated(text: str, before: LogName, name: LogName) -> bool:
    """Return whether a statement's text says that one name follows the other, and what was kept."""
    said = text.splitlines()
    wanted = (f"before: {before.origin}", f"after: {name.origin}", f"kept: {name.kept}")
    # Each once, and none from the reason, which stands last in one line.
    return said[:1] == [TITLE] and all(said.count(line) == 1 for line in wanted)
