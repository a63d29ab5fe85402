"""Both doors on a fresh database, with people who can log in."""

from dataclasses import dataclass

import flask
import pytest

from kernel import audit
from kernel.database import Database
from tests.support.clock import SettableClock
from tests.webui.visitors import PASSWORD, Visitor
from webui import center, portal
from webui.accounts import Accounts, NewAccount, Right, Role
from webui.doorway import DoorParts, DoorSettings
from webui.passwords import Passwords

OPERATOR = audit.operator("test")


@dataclass(frozen=True)
class Doors:
    """Both apps over one database."""

    database: Database
    clock: SettableClock
    accounts: Accounts
    portal: flask.Flask
    center: flask.Flask

    def customer(self, user: str = "hanako", address: str = "192.0.2.1") -> Visitor:
        """Return a logged-in user of NAC001."""
        visitor = Visitor(self.portal, address)
        assert visitor.log_in(office_code="NAC001", user=user).status_code == 303
        return visitor

    def staff(self, user: str = "sato", address: str = "192.0.2.2") -> Visitor:
        """Return a logged-in member of staff."""
        visitor = Visitor(self.center, address)
        assert visitor.log_in(user=user).status_code == 303
        return visitor


@pytest.fixture
def accounts(database: Database, clock: SettableClock) -> Accounts:
    """Return accounts whose hashes are cheap."""
    return Accounts(database, clock, Passwords(memory_kib=8, passes=1))


@pytest.fixture
def doors(database: Database, clock: SettableClock, accounts: Accounts) -> Doors:
    """Return both doors with hanako (all rights) and jiro (none) of NAC001, and staff sato (review), kato (issuing)."""
    for login, rights in (("hanako", frozenset(Right)), ("jiro", frozenset[Right]())):
        accounts.add(NewAccount(login, "通関 花子", "hanako@example.jp", PASSWORD, rights, "NAC001"), OPERATOR)
    for login, role in (("sato", Role.REVIEW), ("kato", Role.ISSUING), ("ito", Role.SECURITY)):
        accounts.add(NewAccount(login, "佐藤", "sato@example.jp", PASSWORD, frozenset({role})), OPERATOR)
    parts = DoorParts(database, clock, accounts, DoorSettings("https://localhost:8443"))
    return Doors(
        database,
        clock,
        accounts,
        portal.create_app(portal.PortalParts(parts)),
        center.create_app(center.CenterParts(parts)),
    )
