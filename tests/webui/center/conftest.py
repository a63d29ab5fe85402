"""A center in the middle of its day: applications, codes and certificates in each state, made through the real use cases."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest

from enrollment.ending import Endings
from enrollment.staff_views import Reason
from kernel.errors import Refused
from kernel.outbox import DeliveryFailed, Letter, deliver
from registry.applicants import contact_form
from registry.drafts import Section
from tests.support.house import SOURCE, House, new_request
from tests.support.recorded import recorded
from tests.webui.conftest import APPLICANT, HANAKO, SATO, START, Doors
from tests.webui.visitors import Visitor

# What someone types who tries to put markup into our pages.
MARKUP = "<script>alert('x')</script> & <b>備考</b>"
TERMINALS: Mapping[str, list[str]] = {"add.net.sea": ["1"], "add.web.air": ["2"], "class.99999W": ["air"]}


def file_application(
    doors: Doors,
    *,
    items: tuple[str, ...] = ("terminals",),
    terminals: Mapping[str, list[str]] | None = None,
    changes: Mapping[str, Mapping[str, str]] | None = None,
    remarks: str = "",
    wished: date = START,
) -> str:
    """Apply as hanako of NAC001 and return the receipt number."""
    draft = doors.drafts.begin(HANAKO)
    pages: dict[str, Mapping[str, list[str]]] = {
        Section.CHOICE: {"items": list(items), "wished_start": [wished.isoformat()]},
        Section.APPLICANT: contact_form(APPLICANT),
        Section.TERMINALS: {"add.net.sea": ["1"]} if terminals is None else terminals,
        **{item: {name: [text] for name, text in typed.items()} for item, typed in (changes or {}).items()},
        Section.REMARKS: {"remarks": [remarks]},
    }
    for section, typed in pages.items():
        draft = doors.drafts.save(HANAKO, draft.id, section, typed)
    return doors.applications.submit(HANAKO, draft.id, version=draft.version)


def with_items_by_hand(doors: Doors) -> str:
    """Apply for a change that staff carry out by hand, and approve it."""
    number = file_application(doors, items=("mailboxes",), changes={"mailboxes": {"mailboxes": "2"}})
    doors.review.approve(number, START, approver=SATO)
    return number


@dataclass(frozen=True)
class Day:
    """What there is: receipt numbers and terminal names by what became of them."""

    fresh: str
    rich: str
    queried: str
    answered: str
    approved: str
    by_hand: str
    rejected: str
    prepared: str
    waiting: str
    issued: str
    revoked: str
    frozen: str
    locked: str
    suspended: str


@pytest.fixture
def sato(doors: Doors) -> Visitor:
    """Return sato, who reviews."""
    return doors.staff("sato")


@pytest.fixture
def kato(doors: Doors) -> Visitor:
    """Return kato, who issues."""
    return doors.staff("kato")


@pytest.fixture
def ito(doors: Doors) -> Visitor:
    """Return ito, who secures."""
    return doors.staff("ito")


@pytest.fixture
def day(issuing_doors: Doors, house: House) -> Day:
    """Fill the center's day."""
    return filled_day(issuing_doors, house)


def filled_day(doors: Doors, house: House) -> Day:
    """Fill the center's day of doors over a house that can issue certificates; the clock moves on by three days."""
    what = ("the center's day", doors.clock.now())
    day, doors.clock.instant = recorded(what, doors.database, (), lambda: (_filled(doors, house), doors.clock.now()))
    return day


def _filled(doors: Doors, house: House) -> Day:
    clock = doors.clock
    prepared, (waiting, issued, revoked, frozen, locked, suspended) = doors.prepared(6)
    for name in (issued, revoked):
        house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE)
    Endings(doors.database, clock).revoke(revoked, Reason.KEY_COMPROMISE, SATO)
    Endings(doors.database, clock).suspend(suspended, SATO)
    house.notices.freeze(prepared, "NAC001", frozen, HANAKO.actor)
    lock(house, locked)
    house.notices.show(prepared, "NAC001", waiting, HANAKO.actor)
    items = ("names", "terminals", "price_plan", "billing_contact")
    changes = {
        "names": {"office_name": MARKUP},
        "price_plan": {"price_plan": "B"},
        "billing_contact": {"billing_contact": "経理　三郎", "billing_phone": "0398765432"},
    }
    rich = file_application(doors, items=items, terminals=TERMINALS, changes=changes, remarks=MARKUP)
    queried = file_application(doors)
    doors.review.query(queried, "端末の台数を確認してください。", actor=SATO)
    answered = file_application(doors, wished=date(2026, 11, 28))
    doors.review.query(answered, "利用開始希望日はこれでよろしいですか。", actor=SATO)
    doors.applications.answer(HANAKO, answered, f"はい。{MARKUP}")
    rejected = file_application(doors)
    doors.review.reject(rejected, "必要な書類がありません。", actor=SATO)
    approved = file_application(doors, terminals={"add.net.sea": ["2"]})
    doors.review.approve(approved, START, approver=SATO)
    by_hand = with_items_by_hand(doors)
    deliver(doors.database, _refuse_some, now=clock.now(), at_most=5)
    clock.advance(timedelta(days=3))
    deliver(doors.database, lambda _: None, now=clock.now(), at_most=5)
    fresh = file_application(doors)
    lock(house, locked)
    return Day(
        fresh, rich, queried, answered, approved, by_hand, rejected, prepared, waiting, issued, revoked, frozen, locked, suspended
    )


def lock(house: House, terminal: str) -> None:
    """Type a terminal's codes wrongly until they are locked."""
    codes = replace(house.codes_of(terminal), auth_code_3="22222")
    refusals = []
    for _ in range(6):
        with pytest.raises(Refused) as refused:
            house.redemption.redeem(codes, new_request().pem, SOURCE)
        refusals.append(refused.value.code)
    assert refusals[-1] == "throttled"


def _refuse_some(letter: Letter) -> None:
    if "hanako" in letter.recipient:
        raise DeliveryFailed("550 5.1.1 <hanako@example.jp>: user unknown", permanent=True)
