"""The notices as they were issued: made once, never changed, found again by their octets."""

import hashlib
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Integer, LargeBinary, String, UniqueConstraint, bindparam, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel import audit
from kernel.database import Base, UtcDateTime, insert_if_absent

_ISSUED_BY = audit.job("notices")
# Receipt numbers in one question to the database.
_AT_ONCE = 500


class NoticeRow(Base):
    """承認通知, one row for each edition: another one is made when the start date is moved, and the older ones stay."""

    __tablename__ = "enrollment_notice"
    __table_args__ = (
        UniqueConstraint("receipt_number", "edition"),
        CheckConstraint("edition > 0", "ck_enrollment_notice_edition"),
        CheckConstraint("length(sha256) = 32", "ck_enrollment_notice_sha256"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    receipt_number: Mapped[str] = mapped_column(String(7))
    edition: Mapped[int]
    office_code: Mapped[str] = mapped_column(String(6))
    start_date: Mapped[date]
    issued_on: Mapped[date]
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # To whom it is addressed, as it is printed.
    company: Mapped[str] = mapped_column(String(100))
    office: Mapped[str] = mapped_column(String(100))
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Notice:
    """What is on record of an edition, without its octets; `company` and `office` as it addresses them."""

    receipt_number: str
    edition: int
    office_code: str
    start_date: date
    issued_on: date
    made_at: datetime
    company: str
    office: str
    sha256: bytes


_FACTS = (
    NoticeRow.receipt_number,
    NoticeRow.edition,
    NoticeRow.office_code,
    NoticeRow.start_date,
    NoticeRow.issued_on,
    NoticeRow.made_at,
    NoticeRow.company,
    NoticeRow.office,
    NoticeRow.sha256,
)


def keep(session: Session, notice: Notice, content: bytes) -> bool:
    """Keep an edition with its audit entry; False when somebody else kept this edition first, whose octets then count."""
    if not insert_if_absent(session, NoticeRow, asdict(notice) | {"content": content}):
        return False
    audit.record(
        session,
        now=notice.made_at,
        actor=_ISSUED_BY,
        action="notice.issue",
        subject=f"application:{notice.receipt_number}",
        office_code=notice.office_code,
        edition=notice.edition,
        sha256=notice.sha256.hex(),
    )
    return True


_LATEST = select(*_FACTS).where(NoticeRow.receipt_number == bindparam("receipt_number")).order_by(NoticeRow.id.desc()).limit(1)


def latest(session: Session, receipt_number: str) -> Notice | None:
    """Return the edition of an application that counts: the last one."""
    row = session.execute(_LATEST, {"receipt_number": receipt_number}).first()
    return None if row is None else Notice(*row)


def latest_of(session: Session, receipt_numbers: Collection[str]) -> dict[str, Notice]:
    """Return the last editions of many applications, by receipt number."""
    numbers = sorted(set(receipt_numbers))
    found: dict[str, Notice] = {}
    for begin in range(0, len(numbers), _AT_ONCE):
        newest = (
            select(func.max(NoticeRow.id))
            .where(NoticeRow.receipt_number.in_(numbers[begin : begin + _AT_ONCE]))
            .group_by(NoticeRow.receipt_number)
        )
        found |= {row.receipt_number: Notice(*row) for row in session.execute(select(*_FACTS).where(NoticeRow.id.in_(newest)))}
    return found


def content_of(session: Session, notice: Notice) -> bytes:
    """Return an edition's octets, as issued."""
    query = select(NoticeRow.content).where(
        NoticeRow.receipt_number == notice.receipt_number, NoticeRow.edition == notice.edition
    )
    return session.scalars(query).one()


def issued(session: Session, content: bytes) -> Notice | None:
    """Return the edition whose octets these are, or None: we never issued this very file."""
    row = session.execute(select(*_FACTS).where(NoticeRow.sha256 == digest(content))).first()
    return None if row is None else Notice(*row)


def digest(content: bytes) -> bytes:
    """Return what a file is found by."""
    return hashlib.sha256(content).digest()
