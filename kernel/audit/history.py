"""Reading the audit log: what was done to one thing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Integer, bindparam, select
from sqlalchemy.orm import Session

from kernel.audit.entries import AuditEntry, Fact


@dataclass(frozen=True)
class PastDeed:
    """One entry, for pages: `actor` is an actor's text, `action` is `noun.verb`."""

    at: datetime
    actor: str
    action: str
    facts: Mapping[str, Fact]


_HISTORY = (
    select(AuditEntry.at, AuditEntry.actor, AuditEntry.action, AuditEntry.facts)
    .where(AuditEntry.subject == bindparam("subject"))
    .order_by(AuditEntry.id.desc())
    .limit(bindparam("most", type_=Integer))
)


def history(session: Session, subject: str, *, most: int = 100) -> tuple[PastDeed, ...]:
    """Return the latest deeds on a subject (`terminal:99999W`), newest first."""
    return tuple(PastDeed(*entry) for entry in session.execute(_HISTORY, {"subject": subject, "most": most}))
