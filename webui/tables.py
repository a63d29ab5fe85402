"""The room's tables. Only webui imports them."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime

_ID = BigInteger().with_variant(Integer, "sqlite")


class AccountRow(Base):
    """One person who may log in through one door; without a hash whoever was invited has no password yet.

    Staff have no office: their `office_code` is empty, not NULL, because NULLs would escape the unique constraint. Rows of
    people who were removed stay: their names stand in the audit log, and nobody else may come to have them.
    """

    __tablename__ = "webui_account"
    __table_args__ = (UniqueConstraint("door", "office_code", "login", name="webui_account_name"),)

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    door: Mapped[str] = mapped_column(String(10))
    office_code: Mapped[str] = mapped_column(String(6))
    login: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(80))
    mail: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    grants: Mapped[list[str]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    password_changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_login_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LinkRow(Base):
    """A one-time link, ordered in the deed that causes it and made when its mail leaves (`webui.accounts.links`).

    `reference` stands in the mail that waits and is no secret. Of the secret only the SHA-256 is kept, and none before the mail
    leaves or after the link was used or withdrawn.
    """

    __tablename__ = "webui_link"

    reference: Mapped[str] = mapped_column(String(32), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    account_id: Mapped[int | None] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), index=True)
    change_id: Mapped[str | None] = mapped_column(String(32), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ResetRequestRow(Base):
    """What somebody typed who forgot a password; a job answers it, so that the page takes the same time for everybody."""

    __tablename__ = "webui_reset_request"

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    office_code: Mapped[str] = mapped_column(String(6))
    login: Mapped[str] = mapped_column(String(40))
    mail: Mapped[str] = mapped_column(String(254))
    source: Mapped[str] = mapped_column(String(60))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AddressChangeRow(Base):
    """A change of whom we write to: a user's or an applicant's mail, or an office's administrator (`content` is the new one).

    `subject` is the user's log-in name or the application's receipt number; empty for the office's administrator.
    """

    __tablename__ = "webui_address_change"
    __table_args__ = (Index("ix_webui_address_change_subject", "office_code", "kind", "subject"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    office_code: Mapped[str] = mapped_column(String(6))
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(40))
    old_mail: Mapped[str] = mapped_column(String(254))
    new_mail: Mapped[str] = mapped_column(String(254))
    content: Mapped[dict[str, str] | None] = mapped_column(JSON)
    requested_by: Mapped[str] = mapped_column(String(100))
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    old_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    new_confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[str | None] = mapped_column(String(100))
    reason: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10), index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SessionRow(Base):
    """One log-in. The cookie holds the token; here stands only its SHA-256, so that a stolen backup opens nothing.

    `proven_at` is when a second factor was shown last, in this log-in; none when it never was.
    """

    __tablename__ = "webui_session"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    door: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    proven_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    address: Mapped[str] = mapped_column(String(45))
    device: Mapped[str] = mapped_column(String(60))
    content: Mapped[dict[str, object]] = mapped_column(JSON)


class HalfLogInRow(Base):
    """A visit whose password was right and whose second factor is still to come. It opens nothing."""

    __tablename__ = "webui_half_log_in"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    door: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[int] = mapped_column(_ID, index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class DeviceRow(Base):
    """A browser from which an account logged in: the hash of a cookie that lasts."""

    __tablename__ = "webui_device"

    account_id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
