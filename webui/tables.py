"""The room's tables. Only webui imports them."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime

_ID = BigInteger().with_variant(Integer, "sqlite")


class AccountRow(Base):
    """One person who may log in through one door.

    Staff have no office: their `office_code` is empty, not NULL, because NULLs would escape the unique constraint.
    """

    __tablename__ = "webui_account"
    __table_args__ = (UniqueConstraint("door", "office_code", "login", name="webui_account_name"),)

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    door: Mapped[str] = mapped_column(String(10))
    office_code: Mapped[str] = mapped_column(String(6))
    login: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(80))
    mail: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str] = mapped_column(String(200))
    grants: Mapped[list[str]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    password_changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SessionRow(Base):
    """One log-in. The cookie holds the token; here stands only its SHA-256, so that a stolen backup opens nothing."""

    __tablename__ = "webui_session"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    door: Mapped[str] = mapped_column(String(10))
    account_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    content: Mapped[dict[str, object]] = mapped_column(JSON)
