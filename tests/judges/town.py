"""A house in which all pages have something to show: two offices, the center's day, a bulletin, a change of generation."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from enrollment.reissue import Reissues
from enrollment.reissue_records import ReissueReason
from kernel.database import Database
from registry.applicants import contact_form
from registry.bulletin import BulletinDesk
from registry.drafts import Kind, Section
from tests.support.clock import SettableClock
from tests.support.generations import TwoGenerations
from tests.support.house import House, build_house
from tests.webui.bulletin.conftest import INCIDENT, MAINTENANCE, PINNED, publish
from tests.webui.center.conftest import Day, filled_day
from tests.webui.conftest import HANAKO, OPERATOR, SATO, TERMINAL, Doors, open_doors
from tests.webui.neighbours import JADE, settle
from tests.webui.visitors import PASSWORD
from webui.accounts import Accounts, NewAccount, Role
from webui.factors.tables import PasskeyRow
from webui.passwords import Passwords

EVERY_ROLE = "mori"


@dataclass(frozen=True)
class Town:
    """The doors, and addresses to which only the answers to forms lead."""

    doors: Doors
    house: House
    day: Day
    portal_ways: tuple[str, ...]
    center_ways: tuple[str, ...]
    two: TwoGenerations


def build_town(database: Database, folder: Path) -> Town:
    """Let everything happen that pages tell of."""
    clock = SettableClock()
    house = build_house(database, folder, clock)
    accounts = Accounts(database, clock, Passwords(memory_kib=8, passes=1))
    doors = open_doors(accounts, house.preparation, house.notices, folder)
    _add_staff(doors)
    reissues = Reissues(database, clock)
    reissue = reissues.request(TERMINAL, ReissueReason.PC_REPLACED, HANAKO.actor, office_code="NAC001")
    reissues.accept(reissue.id, SATO)  # whose day comes while the center's is filled
    day = filled_day(doors, house)
    portal_ways = settle(doors, house, JADE)
    _write_drafts(doors)
    two = TwoGenerations(house, clock)
    two.issued("NAC002", 2)
    desk = BulletinDesk(database, clock)
    notices = [publish(desk, content) for content in (PINNED, INCIDENT, MAINTENANCE)]
    desk.withdraw(publish(desk, MAINTENANCE), 2, SATO, reason="誤り")
    notices.append(desk.draft(dataclasses.replace(MAINTENANCE, title_ja="下書き"), SATO))
    case = portal_ways[0].rpartition("/")[2]
    center_ways = (
        "/generations/1",
        "/generations/1/stragglers",
        f"/reissues/{reissue.id}",
        f"/cases/{case}",
        f"/terminals/{day.issued}/revoke",
        *(f"/terminals/{name}" for name in (day.locked, day.suspended, day.frozen, day.revoked, day.issued)),
        *(f"/applications/{number}" for number in (day.by_hand, day.approved, day.rich, day.answered)),
        *(f"/bulletin/{number}" for number in notices),
    )
    return Town(doors, house, day, tuple(portal_ways), center_ways, two)


def _add_staff(doors: Doors) -> None:
    person = doors.accounts.add(NewAccount(EVERY_ROLE, "森　都", "mori@example.jp", PASSWORD, frozenset(Role)), OPERATOR)
    with doors.database.transaction() as session:  # no browser here whose key could be registered
        session.add(
            PasskeyRow(
                account_id=person.account_id,
                credential_id=b"mori",
                public_key=b"",
                sign_count=0,
                name="森の鍵",
                created_at=doors.clock.now(),
            )
        )


def _write_drafts(doors: Doors) -> None:
    """Begin applications of each kind: a whole one, one whose day is none, and one for too early a day."""
    for kind, wished in zip(Kind, ("20270119", "20270230", "20261205"), strict=True):
        draft = doors.drafts.begin(JADE.customer(), kind)
        pages = {
            Section.CHOICE: {"items": ["terminals", "price_plan"], "wished_start": [wished]},
            Section.APPLICANT: contact_form(JADE.contact("applicant")),
            Section.TERMINALS: {"add.net.sea": ["1"]},
            "price_plan": {"price_plan": ["B"]},
        }
        for section, typed in pages.items():
            doors.drafts.save(JADE.customer(), draft.id, section, typed)
