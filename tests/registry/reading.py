"""What a deed left behind: mails, audit entries, news."""

from sqlalchemy import select

from kernel.audit import AuditEntry
from kernel.database import Database
from kernel.outbox import OutboxMail
from registry import news
from registry.applications import Detail, detail


def mails(database: Database) -> list[OutboxMail]:
    """Return all mails, oldest first."""
    with database.snapshot() as session:
        return list(session.scalars(select(OutboxMail).order_by(OutboxMail.id)))


def deeds(database: Database) -> list[tuple[str, str, str]]:
    """Return actor, action and subject of all audit entries but the registration, oldest first."""
    with database.snapshot() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(entry.actor, entry.action, entry.subject) for entry in entries if entry.action != "office.register"]


def told(database: Database, office_code: str = "NAC001") -> list[tuple[str, str | None]]:
    """Return code and target of an office's news, oldest first."""
    with database.snapshot() as session:
        return [(line.code, line.target) for line in reversed(news.latest(session, office_code))]


def page(database: Database, receipt_number: str) -> Detail:
    """Return an application's page."""
    with database.snapshot() as session:
        shown = detail(session, receipt_number)
    assert shown is not None
    return shown
