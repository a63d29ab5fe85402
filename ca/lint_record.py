"""A finding of the lint is a fault of ours that must not be forgotten: it goes on record before anybody hears of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca.lint import LintError
from kernel import audit
from kernel.audit import AuditEntry
from kernel.database import Database

ACTION, _ISSUED = "certificate.lint", "certificate.issue"


@contextmanager
def kept(database: Database, subject: str, now: datetime, *, is_told_once: bool = False) -> Iterator[None]:
    """Record a LintError of the block, in a transaction of its own, and raise it on.

    `subject` is whose certificate it was to be, as the audit log names it (`terminal:99999W`, `service:documents`). The
    findings about terminals name fields, no content. With `is_told_once` the same findings of the same subject are not written
    again while nothing was issued to it: a job comes back to what nobody has mended, and the log is for ever.
    """
    try:
        yield
    except LintError as error:
        findings = "; ".join(error.findings)
        with database.transaction() as session:
            if not (is_told_once and _is_known(session, subject, findings)):
                actor = audit.job("lint")
                audit.record(session, now=now, actor=actor, action=ACTION, subject=subject, findings=findings)
        raise


def _is_known(session: Session, subject: str, findings: str) -> bool:
    """Return whether these findings were recorded since a certificate was last issued to the subject."""
    of_subject = select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.action.in_((ACTION, _ISSUED)))
    for entry in session.scalars(of_subject.order_by(AuditEntry.id.desc())):
        if entry.action == _ISSUED:
            return False
        if entry.facts["findings"] == findings:
            return True
    return False
