"""What is known of an account's second factors; all functions join their caller's transaction or snapshot."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from webui.factors import recovery
from webui.factors.tables import PasskeyRow, RecoveryCodeRow, TotpRow


@dataclass(frozen=True)
class PasskeyView:
    """One passkey, for pages."""

    id: int
    name: str
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class TotpView:
    """The authenticator app, for pages."""

    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class Standing:
    """An account's second factors. Recovery codes are none: they stand in for one that was lost."""

    totp: TotpView | None
    passkeys: tuple[PasskeyView, ...]
    recovery_left: int

    @property
    def is_any(self) -> bool:
        """Whether there is a second factor."""
        return self.count > 0

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.passkeys) + (self.totp is not None)


def standing(session: Session, account_id: int) -> Standing:
    """Return an account's second factors."""
    totp = session.get(TotpRow, account_id)
    passkeys = session.scalars(select(PasskeyRow).where(PasskeyRow.account_id == account_id).order_by(PasskeyRow.id))
    left = select(func.count()).select_from(RecoveryCodeRow).where(RecoveryCodeRow.account_id == account_id)
    return Standing(
        TotpView(totp.created_at, totp.used_at) if totp else None,
        tuple(PasskeyView(row.id, row.name, row.created_at, row.used_at) for row in passkeys),
        session.scalar(left) or 0,
    )


def with_factor(session: Session, account_ids: Iterable[int]) -> frozenset[int]:
    """Return those accounts that have a second factor."""
    wanted = list(account_ids)
    found: set[int] = set()
    for column in (TotpRow.account_id, PasskeyRow.account_id):
        found.update(session.scalars(select(column).where(column.in_(wanted))))
    return frozenset(found)


def renew_recovery(session: Session, account_id: int) -> tuple[str, ...]:
    """Replace an account's recovery codes and return the new ones, which are nowhere else."""
    session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.account_id == account_id))
    codes = recovery.new_codes()
    session.add_all(RecoveryCodeRow(account_id=account_id, digest=recovery.digest(account_id, code)) for code in codes)
    return codes


def remove_all(session: Session, account_id: int) -> None:
    """Remove everything that stands in for a second factor of an account."""
    for table in (TotpRow, PasskeyRow, RecoveryCodeRow):
        session.execute(delete(table).where(table.account_id == account_id))
