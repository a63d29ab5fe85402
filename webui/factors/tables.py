"""The tables of second factors, and of log-ins that were. Only webui imports them."""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime

_ID = BigInteger().with_variant(Integer, "sqlite")


class TotpRow(Base):
    """An account's authenticator app (RFC 6238). `sealed` holds the secret; `last_step` is the last time step accepted."""

    __tablename__ = "webui_totp"

    account_id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    sealed: Mapped[bytes] = mapped_column(LargeBinary(120))
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PasskeyRow(Base):
    """One passkey of an account (WebAuthn). A credential id names one key of one account, whatever the door."""

    __tablename__ = "webui_passkey"

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    account_id: Mapped[int] = mapped_column(_ID, index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary(1023))
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RecoveryCodeRow(Base):
    """One recovery code of an account that was not used yet; using it deletes it."""

    __tablename__ = "webui_recovery_code"

    account_id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)


class ChallengeRow(Base):
    """What a passkey is asked to sign (WebAuthn §13.4.3), once, in the visit whose token this is the hash of."""

    __tablename__ = "webui_challenge"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(10), primary_key=True)
    challenge: Mapped[bytes] = mapped_column(LargeBinary(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class LogInRow(Base):
    """A log-in that was tried. Without account it was of a name that nobody has, which is not kept."""

    __tablename__ = "webui_log_in"

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    account_id: Mapped[int | None] = mapped_column(_ID, index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    outcome: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(45))
    device: Mapped[str] = mapped_column(String(60))
