"""Who may do what to whose account.

An office's users are managed by those of them who hold the right to, and by staff in charge of security, who manage staff, too.
Nobody does anything to their own account, and nobody gives or takes a right that they do not hold themselves. So a manager
makes no administrator, only administrators touch administrators, and whoever acts is left: the last administrator of an office
and the last of the center's security keep their account and their rights.
"""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.errors import Refused
from webui.accounts.persons import AccountState, Door, Person, Right, Role, normal, person_of
from webui.tables import AccountRow


def held(session: Session, office_code: str, login: str, by: Person) -> AccountRow:
    """Return the row of an account that somebody may manage, locked with all of its office and that of whoever acts.

    Raises Refused: user-unknown, not-manager, user-self, user-administrator.
    """
    rows = _locked(session, office_code, by)
    require_manager(rows, by)
    row = next((row for row in rows if row.office_code == office_code and row.login == normal(login)), None)
    if row is None or row.state == AccountState.REMOVED:
        raise Refused("user-unknown")
    if row.id == by.account_id:
        raise Refused("user-self")
    if by.door is Door.PORTAL and person_of(row).is_administrator and not _present(rows, by).is_administrator:
        raise Refused("user-administrator")
    return row


def held_office(session: Session, office_code: str, by: Person) -> list[AccountRow]:
    """Return all rows of an office, locked; raises Refused("not-manager")."""
    rows = _locked(session, office_code, by)
    require_manager(rows, by)
    return [row for row in rows if row.office_code == office_code]


def require_manager(rows: Collection[AccountRow], by: Person) -> None:
    """Raise Refused("not-manager") unless whoever acts still may, as their row stands under lock."""
    wanted = Role.SECURITY if by.door is Door.CENTER else Right.USERS
    if not _present(rows, by).may(wanted):
        raise Refused("not-manager")


def require_own(by: Person, touched: Collection[Right | Role]) -> None:
    """Raise Refused("right-not-own") when an office's user gives or takes rights that they do not hold themselves."""
    if by.door is Door.PORTAL and not all(by.may(right) for right in touched):
        raise Refused("right-not-own")


def _locked(session: Session, office_code: str, by: Person) -> list[AccountRow]:
    if by.door is Door.PORTAL and by.office_code != office_code:
        raise Refused("user-unknown")
    concerned = AccountRow.office_code == office_code
    query = select(AccountRow).where(concerned | (AccountRow.id == by.account_id)).order_by(AccountRow.id)
    return list(session.scalars(query.with_for_update().execution_options(populate_existing=True)))


def _present(rows: Collection[AccountRow], by: Person) -> Person:
    row = next((row for row in rows if row.id == by.account_id), None)
    if row is None or row.state != AccountState.ACTIVE:
        raise Refused("not-manager")
    return person_of(row)
