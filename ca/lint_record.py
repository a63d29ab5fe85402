"""A finding of the lint is a fault of ours that must not be forgotten: it goes on record before anybody hears of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from ca.lint import LintError
from kernel import audit
from kernel.database import Database


@contextmanager
def kept(database: Database, subject: str, now: datetime) -> Iterator[None]:
    """Record a LintError of the block, in a transaction of its own, and raise it on.

    `subject` is whose certificate it was to be, as the audit log names it (`terminal:99999W`, `service:documents`). The
    findings about terminals name fields, no content.
    """
    try:
        yield
    except LintError as error:
        with database.transaction() as session:
            audit.record(
                session,
                now=now,
                actor=audit.job("lint"),
                action="certificate.lint",
                subject=subject,
                findings="; ".join(error.findings),
            )
        raise
