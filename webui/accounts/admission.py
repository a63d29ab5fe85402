"""Letting somebody in who showed a password, and putting everybody out whom it, or a second factor, let in before."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from webui.accounts.persons import AccountState
from webui.tables import AccountRow, DeviceRow, HalfLogInRow, SessionRow


def held(session: Session, account_id: int, password_changed_at: datetime) -> AccountRow | None:
    """Hold an account's row until the transaction ends; None unless it is active and has the password that it had then.

    A password's instant names it: its hash may be renewed meanwhile, and is still the same password's.
    """
    row = session.get(AccountRow, account_id, with_for_update=True)
    is_same = row is not None and (row.state, row.password_changed_at) == (AccountState.ACTIVE.value, password_changed_at)
    return row if is_same else None


def end_all(session: Session, account_id: int, *, keep: bytes = b"", keep_device: bytes = b"") -> None:
    """End an account's log-ins, those half way, too, and forget the browsers that it is known from.

    `keep` and `keep_device` are the hashes of the present session's token and of its browser's, where they may stay. The
    account's row is held by the caller: whoever is being let in meanwhile finds it changed (`held`), or is put out here.
    """
    session.execute(delete(SessionRow).where(SessionRow.account_id == account_id, SessionRow.token_hash != keep))
    session.execute(delete(HalfLogInRow).where(HalfLogInRow.account_id == account_id))
    session.execute(delete(DeviceRow).where(DeviceRow.account_id == account_id, DeviceRow.token_hash != keep_device))
