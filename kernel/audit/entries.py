"""Audit entries: who did what to what, when; and the salted commitment that the public tree holds instead of them."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, UtcDateTime, insert_all

Fact = str | int | bool | None
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Actor:
    """Who acts, as `kind:name`: `staff:sato`, `customer:NAC001/hanako`, `terminal:99999W`, `job:crl`, `operator:cli`."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return the stored form."""
        return f"{self.kind}:{self.name}"


def staff(login: str) -> Actor:
    """Name a member of the center's staff."""
    return Actor("staff", login)


def customer(office_code: str, login: str) -> Actor:
    """Name a user of an office."""
    return Actor("customer", f"{office_code}/{login}")


def terminal(name: str) -> Actor:
    """Name a logical terminal that acts by itself."""
    return Actor("terminal", name)


def job(name: str) -> Actor:
    """Name a job."""
    return Actor("job", name)


def operator(name: str = "cli") -> Actor:
    """Name whoever works at the command line of the server."""
    return Actor("operator", name)


@dataclass(frozen=True)
class Content:
    """What an entry says; `at` is its instant in UTC with microseconds, ISO 8601."""

    at: str
    actor: str
    action: str
    subject: str
    office_code: str | None
    facts: Mapping[str, Fact]

    def commitment(self, salt: bytes) -> bytes:
        """Return SHA-256 over the salt and the canonical JSON: it binds us and tells outsiders nothing."""
        content = [self.at, self.actor, self.action, self.subject, self.office_code, self.facts]
        return hashlib.sha256(salt + _CANONICAL.encode(content).encode()).digest()


class AuditEntry(Base):
    """One deed. Rows are only ever added; sealing sets `leaf_index` once and nothing else changes."""

    __tablename__ = "kernel_audit_entry"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(60), index=True)
    subject: Mapped[str] = mapped_column(String(120), index=True)
    office_code: Mapped[str | None] = mapped_column(String(6), index=True)
    facts: Mapped[dict[str, Fact]] = mapped_column(JSON)
    salt: Mapped[bytes] = mapped_column(LargeBinary(16))
    commitment: Mapped[bytes] = mapped_column(LargeBinary(32))
    leaf_index: Mapped[int | None] = mapped_column(BigInteger, unique=True)

    def content(self) -> Content:
        """Return what the row says at present."""
        instant = self.at.astimezone(UTC).isoformat(timespec="microseconds")  # as it is read back
        return Content(instant, self.actor, self.action, self.subject, self.office_code, self.facts)

    def recomputed_commitment(self) -> bytes:
        """Return the commitment to the row's present content; it differs from `commitment` after tampering."""
        return self.content().commitment(self.salt)


def record(
    session: Session,
    *,
    now: datetime,
    actor: Actor,
    action: str,
    subject: str,
    office_code: str | None = None,
    **facts: Fact,
) -> None:
    """Write an entry in the deed's own transaction.

    `action` is `noun.verb` (`application.approve`), `subject` is `noun:name` (`terminal:99999W`). Facts are public
    within the house: never codes, keys or passwords.
    """
    [values] = _rows([(actor, Subject(subject, office_code, facts))], now, action)
    session.add(AuditEntry(**values))


@dataclass(frozen=True)
class Subject:
    """One of many that something was done to: its `name`, office and facts as `record` takes them."""

    name: str
    office_code: str | None
    facts: Mapping[str, Fact]


def record_all(session: Session, subjects: Iterable[Subject], *, now: datetime, actor: Actor, action: str) -> None:
    """Write the entries of one action upon many, each as `record` does, in their order; without the ORM's unit of work."""
    if rows := _rows([(actor, subject) for subject in subjects], now, action):
        session.flush()
        insert_all(session, AuditEntry, rows)


def record_each(session: Session, subjects: Iterable[tuple[Actor, Subject]], *, now: datetime, action: str) -> None:
    """Write the entries of one action that each was done by another, as `record_all` does."""
    insert_all(session, AuditEntry, _rows(subjects, now, action))


def _rows(subjects: Iterable[tuple[Actor, Subject]], now: datetime, action: str) -> list[dict[str, Any]]:
    instant = now.astimezone(UTC).isoformat(timespec="microseconds")  # as it is read back
    rows = []
    for actor, subject in subjects:
        salt = secrets.token_bytes(16)
        content = Content(instant, str(actor), action, subject.name, subject.office_code, dict(subject.facts))
        row = {
            "at": now,
            "actor": content.actor,
            "action": action,
            "subject": subject.name,
            "office_code": subject.office_code,
            "facts": content.facts,
            "salt": salt,
            "commitment": content.commitment(salt),
        }
        rows.append(row)
    return rows
