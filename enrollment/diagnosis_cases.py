"""Cases: a diagnosis as somebody saw it, kept under a short number, so that the help desk looks at the very same one.

What is kept are findings, no words: each reader is told in their language. A number is no secret; pages ask whose it is.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Index, String, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from enrollment import diagnosis
from enrollment.diagnosis import Check, Diagnosis, Finding, Terms, Verdict
from kernel.audit import Actor
from kernel.clock import Clock
from kernel.database import Base, Database, UtcDateTime
from kernel.errors import Refused

KEPT = timedelta(days=90)
# Whoever presses twice gets one number.
SAME_FOR = timedelta(minutes=10)
# So many a day for a terminal: nobody needs more, and a script shall not fill the table.
MOST = 30
# Without 0 O 1 I L: numbers are read out on the telephone.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 8
_DAY = timedelta(days=1)


class DiagnosisCaseRow(Base):
    """A diagnosis that somebody kept."""

    __tablename__ = "enrollment_diagnosis_case"
    __table_args__ = (Index("ix_enrollment_diagnosis_case_terminal", "terminal", "opened_at"),)

    number: Mapped[str] = mapped_column(String(LENGTH), primary_key=True)
    terminal: Mapped[str] = mapped_column(String(6))
    office_code: Mapped[str] = mapped_column(String(6))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    opened_by: Mapped[str] = mapped_column(String(100))
    can_log_on: Mapped[bool]
    findings: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


@dataclass(frozen=True)
class Case:
    """A kept diagnosis: its number, who kept it (an actor's text), until when it can be found."""

    number: str
    opened_by: str
    until: datetime
    diagnosis: Diagnosis


@dataclass(frozen=True)
class Cases:
    """Keeps diagnoses."""

    database: Database
    clock: Clock
    terms: Terms = field(default_factory=Terms)

    def examine(self, terminal: str) -> Diagnosis | None:
        """Look at a terminal now; None when there is no such one."""
        with self.database.snapshot() as session:
            return diagnosis.examine(session, terminal, self.clock.now(), self.terms)

    def open(self, terminal: str, actor: Actor) -> Case:
        """Keep what is the matter with a terminal now; the same as a moment ago keeps its number.

        Raises Refused("terminal-unknown") and Refused("diagnosis-most") (most) after many in a day.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            found = diagnosis.examine(session, terminal, now, self.terms)
            if found is None:
                raise Refused("terminal-unknown", terminal=terminal)
            stored = [asdict(one) for one in found.findings]
            lately = select(DiagnosisCaseRow).where(DiagnosisCaseRow.terminal == terminal)
            newest = session.scalar(lately.order_by(DiagnosisCaseRow.opened_at.desc(), DiagnosisCaseRow.number).limit(1))
            if newest is not None and newest.findings == stored and now - newest.opened_at < SAME_FOR:
                return _case(newest)
            today = lately.where(DiagnosisCaseRow.opened_at > now - _DAY)
            if (session.scalar(select(func.count()).select_from(today.subquery())) or 0) >= MOST:
                raise Refused("diagnosis-most", most=MOST)
            row = DiagnosisCaseRow(
                number="".join(secrets.choice(ALPHABET) for _ in range(LENGTH)),
                terminal=terminal,
                office_code=found.office_code,
                opened_at=now,
                opened_by=str(actor),
                can_log_on=found.can_log_on,
                findings=stored,
            )
            session.add(row)
            return _case(row)

    def find(self, typed: str) -> Case | None:
        """Return a case by its number, however it was typed; None when there is none, or it is too long ago."""
        with self.database.snapshot() as session:
            row = session.get(DiagnosisCaseRow, normal(typed))
            return _case(row) if row is not None and self.clock.now() < row.opened_at + KEPT else None


def normal(typed: str) -> str:
    """Return a number as it is kept: `abcd-2345` as ABCD2345; at most as long as one is."""
    return "".join(sign for sign in typed.upper() if sign in ALPHABET)[: LENGTH + 1]


def shown(number: str) -> str:
    """Return a number as people read it: in two halves."""
    return f"{number[: LENGTH // 2]}-{number[LENGTH // 2 :]}"


def purge(session: Session, now: datetime) -> int:
    """Forget cases that are long ago. A job."""
    result = session.execute(delete(DiagnosisCaseRow).where(DiagnosisCaseRow.opened_at <= now - KEPT))
    return int(result.rowcount)  # type: ignore[attr-defined]


def _case(row: DiagnosisCaseRow) -> Case:
    found = Diagnosis(row.terminal, row.office_code, row.opened_at, row.can_log_on, tuple(map(_finding, row.findings)))
    return Case(row.number, row.opened_by, row.opened_at + KEPT, found)


def _finding(stored: Mapping[str, Any]) -> Finding:
    return Finding(
        Check(stored["check"]), Verdict(stored["verdict"]), stored["topic"], stored["code"], dict(stored["facts"])
    )  # fmt: skip
