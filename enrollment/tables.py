"""The enrollment's tables. Only this room reads or writes them."""

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime

# The states of a set that ends, or ended, on its last day. The words stand in the statement: with parameters in their place
# SQLite would not use the partial index.
ENDS: tuple[ColumnElement[str], ...] = tuple(
    literal_column(f"'{state}'") for state in ("prepared", "claimed", "frozen", "expired")
)


class CodeSetRow(Base):
    """The one-time codes of one terminal: digests to find and check them, and a sealed copy while they may be shown.

    `claimed_key` is SHA-256 over the public key that claimed the set; `issuer` and `serial` name the certificate
    that was reserved for it. `expires_on` is the last day on which the set can be redeemed.
    """

    __tablename__ = "enrollment_code_set"
    __table_args__ = (
        # Four eyes, domain rules "Review": whoever approved the application does not prepare its codes.
        CheckConstraint("approver <> preparer", "ck_enrollment_code_set_four_eyes"),
        CheckConstraint("(state IN ('claimed', 'redeemed')) = (serial IS NOT NULL)", "ck_enrollment_code_set_claim"),
        CheckConstraint("(serial IS NULL) = (claimed_key IS NULL)", "ck_enrollment_code_set_key"),
        Index(
            "uq_enrollment_code_set_open",
            "terminal",
            unique=True,
            sqlite_where=text("state IN ('prepared', 'claimed', 'frozen')"),
            postgresql_where=text("state IN ('prepared', 'claimed', 'frozen')"),
        ),
        Index("ix_enrollment_code_set_receipt", "receipt_number"),
        Index(
            "ix_enrollment_code_set_end",
            "expires_on",
            sqlite_where=text("state IN ('prepared', 'claimed', 'frozen', 'expired')"),
            postgresql_where=text("state IN ('prepared', 'claimed', 'frozen', 'expired')"),
        ),
        Index("ix_enrollment_code_set_terminal", "terminal"),
        Index("ix_enrollment_code_set_office", "office_code"),
        # For those who thaw: among all the sets that were ever made, a few are frozen.
        Index(
            "ix_enrollment_code_set_frozen",
            "prepared_at",
            sqlite_where=text("state = 'frozen'"),
            postgresql_where=text("state = 'frozen'"),
        ),
        Index("uq_enrollment_code_set_certificate", "issuer", "serial", unique=True),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    terminal: Mapped[str] = mapped_column(String(6))
    office_code: Mapped[str] = mapped_column(String(6))
    receipt_number: Mapped[str | None] = mapped_column(String(7))
    approver: Mapped[str] = mapped_column(String(100))
    preparer: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(10))
    access_key_digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    codes_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    start_date: Mapped[date]
    expires_on: Mapped[date]
    prepared_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    claimed_key: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    issuer: Mapped[str | None] = mapped_column(String(40))
    serial: Mapped[str | None] = mapped_column(String(40))
    redeemed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


# As the index says it: no database takes an index for a state that it is told only afterwards.
IS_FROZEN = CodeSetRow.state == literal_column("'frozen'")


class CodeShowingRow(Base):
    """Who was shown a set's codes, which part of them (`enrollment.disclosure.Part`), and when."""

    __tablename__ = "enrollment_code_showing"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    code_set_id: Mapped[str] = mapped_column(ForeignKey("enrollment_code_set.id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    viewer: Mapped[str] = mapped_column(String(100))
    part: Mapped[str] = mapped_column(String(20), default="whole")


class CredentialRow(Base):
    """THE current certificate of a terminal and the digest of the access key that belongs to it: one row a terminal.

    `last_day` is the certificate's last day in Tokyo: what reminders and suspensions are found by.
    """

    __tablename__ = "enrollment_credential"

    terminal: Mapped[str] = mapped_column(String(6), primary_key=True)
    office_code: Mapped[str] = mapped_column(String(6), index=True)
    issuer: Mapped[str] = mapped_column(String(40))
    serial: Mapped[str] = mapped_column(String(40))
    last_day: Mapped[date] = mapped_column(index=True)
    access_key_digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    since: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class RenewalRow(Base):
    """One renewal of a terminal's certificate: which one it follows, the new key, the certificate that was made for it.

    `predecessor_issuer` and `predecessor` (a serial number) name the certificate that authenticated it. `current_at` is
    when the new one became the terminal's current certificate, `interface` by what the terminal came.
    """

    __tablename__ = "enrollment_renewal"
    __table_args__ = (
        Index(
            "uq_enrollment_renewal_open",
            "terminal",
            unique=True,
            sqlite_where=text("state IN ('claimed', 'awaiting', 'issued')"),
            postgresql_where=text("state IN ('claimed', 'awaiting', 'issued')"),
        ),
        Index("uq_enrollment_renewal_certificate", "issuer", "serial", unique=True),
        Index("ix_enrollment_renewal_state", "state", "begun_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    terminal: Mapped[str] = mapped_column(String(6), index=True)
    office_code: Mapped[str] = mapped_column(String(6))
    state: Mapped[str] = mapped_column(String(10))
    predecessor_issuer: Mapped[str] = mapped_column(String(40))
    predecessor: Mapped[str] = mapped_column(String(40))
    spki_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    interface: Mapped[str] = mapped_column(String(10))
    awaits_confirmation: Mapped[bool]
    issuer: Mapped[str] = mapped_column(String(40))
    serial: Mapped[str] = mapped_column(String(40))
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    current_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ReissueRow(Base):
    """One reissue: who asked for it and why, who accepted it, who prepared its codes, until when the old certificate lives.

    Whom each step names is an actor's text. `ready_on` is the first day on which codes may be prepared, `ends_on` the last
    day of the old certificate and of the codes, once there are some. `answer` is what the office was told when it was declined.
    """

    __tablename__ = "enrollment_reissue"
    __table_args__ = (
        # Four eyes: whoever accepted it does not prepare its codes.
        CheckConstraint("accepter <> preparer", "ck_enrollment_reissue_four_eyes"),
        Index(
            "uq_enrollment_reissue_open",
            "terminal",
            unique=True,
            sqlite_where=text("state IN ('requested', 'accepted', 'prepared')"),
            postgresql_where=text("state IN ('requested', 'accepted', 'prepared')"),
        ),
        Index("ix_enrollment_reissue_state", "state", "ready_on"),
        Index("ix_enrollment_reissue_end", "ends_on"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    terminal: Mapped[str] = mapped_column(String(6), index=True)
    office_code: Mapped[str] = mapped_column(String(6), index=True)
    state: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(30))
    remark: Mapped[str] = mapped_column(String(500))
    answer: Mapped[str | None] = mapped_column(String(500))
    requester: Mapped[str] = mapped_column(String(100))
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    accepter: Mapped[str | None] = mapped_column(String(100))
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ready_on: Mapped[date | None]
    preparer: Mapped[str | None] = mapped_column(String(100))
    prepared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_on: Mapped[date | None]
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
