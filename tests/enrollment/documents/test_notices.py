from datetime import date, timedelta

import pytest

from enrollment.departures import Departures
from enrollment.documents import store
from enrollment.documents.children import Children
from enrollment.documents.desk import Desk, NoticeState
from enrollment.documents.notices import ApprovalNotices, Equipment
from enrollment.documents.store import Notice
from enrollment.documents.verification import Verification
from enrollment.start_moves import StartMoves
from kernel import audit
from kernel.clock import day_start, tokyo_date
from kernel.errors import Refused
from registry import applications, offices
from registry.applications import Application, Review
from registry.billing import closing
from registry.billing.bills import Facts
from registry.billing.months import Month
from registry.billing.prices import read_prices
from registry.calendar import next_scheduled
from registry.drafts import Kind
from registry.states import PricePlan
from tests.enrollment.documents.conftest import notice_of
from tests.enrollment.filings import LETTERS, Typed, approved, filed, filed_items, filed_of, start_of
from tests.support.clock import SettableClock
from tests.support.documents import PUBLISHER, equipment, notices
from tests.support.house import APPROVER, OFFICE, PREPARER, SECURITY, SOURCE, House


def desk(house: House) -> Desk:
    return Desk(house.database, house.clock, PUBLISHER, Children())


def application(house: House, receipt_number: str) -> Application:
    with house.database.snapshot() as session:
        found = applications.find(session, receipt_number)
    assert found is not None
    return found


def latest(house: House, receipt_number: str) -> Notice | None:
    with house.database.snapshot() as session:
        return store.latest(session, receipt_number)


def test_a_notice_is_made_once_after_the_approval_and_kept_as_issued(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    filed(house, {"add.web.sea": ["1"]})  # under review: no notice
    number = approved(house)
    assert notices(house).make_due(clock.now()) == 1
    content = notice_of(house, number)
    clock.advance(timedelta(hours=1))
    assert notices(house).make_due(clock.now()) == 0
    assert notice_of(house, number) == content
    kept = latest(house, number)
    assert kept is not None
    assert (kept.edition, kept.start_date, kept.sha256) == (1, start_of(house), store.digest(content))
    with house.database.snapshot() as session:
        [deed] = [one for one in audit.history(session, f"application:{number}") if one.action == "notice.issue"]
        assert store.issued(session, content) == kept
        assert store.issued(session, content + b"\n") is None
    assert deed.actor == "job:notices"


def test_nothing_is_opened_while_there_is_nothing_to_sign(house: House, clock: SettableClock) -> None:
    def equip(_: object) -> Equipment:
        raise AssertionError("keys were opened")

    assert ApprovalNotices(house.database, PUBLISHER, equip).make_due(clock.now()) == 0


def test_the_customer_gets_the_notice_from_midnight_in_tokyo_of_the_start_date(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    number = filed(house, {"add.web.sea": ["1"]})
    assert desk(house).standing(application(house, number)).state is NoticeState.NONE
    with pytest.raises(Refused, match="notice-none"):
        desk(house).notice(number)
    number = approved(house)
    one, start = application(house, number), start_of(house)
    assert desk(house).standing(one).state is NoticeState.BEING_MADE
    with pytest.raises(Refused, match="notice-being-made"):
        desk(house).notice(number)
    notices(house).make_due(clock.now())
    clock.instant = day_start(start) - timedelta(seconds=1)
    told = desk(house).standing(one)
    assert (told.state, told.available_from) == (NoticeState.WAITING, start)
    with pytest.raises(Refused, match="notice-early"):
        desk(house).notice(number)
    assert desk(house).notice(number, before_start=True).startswith(b"%PDF-1.7")
    clock.instant = day_start(start)
    assert desk(house).standing(one).state is NoticeState.READY
    assert desk(house).notice(number) == notice_of(house, number)


def test_a_moved_start_date_makes_another_edition_and_the_older_one_stays_on_record(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    number = approved(house)
    notices(house).make_due(clock.now())
    first = notice_of(house, number)
    later = next_scheduled(start_of(house) + timedelta(days=3))
    StartMoves(house.database, clock, LETTERS).move(number, later, "回線工事の都合", actor=SECURITY)
    assert desk(house).standing(application(house, number)).state is NoticeState.BEING_MADE
    clock.advance(timedelta(days=1))
    assert notices(house).make_due(clock.now()) == 1
    kept = latest(house, number)
    assert kept is not None
    assert (kept.edition, kept.start_date, kept.issued_on) == (2, later, tokyo_date(clock.now()))
    with house.database.snapshot() as session:
        old = store.issued(session, first)
    assert old is not None
    assert old.edition == 1


def test_a_cancelled_approval_hands_out_no_notice(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    number = approved(house)
    notices(house).make_due(clock.now())
    Departures(house.database, clock, LETTERS).cancel(number, "申込者の都合", actor=PREPARER)
    assert desk(house).standing(application(house, number)).state is NoticeState.ENDED
    with pytest.raises(Refused, match="notice-ended"):
        desk(house).notice(number, before_start=True)


def test_a_notice_of_what_was_moved_while_it_was_signed_is_thrown_away(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    number = approved(house)
    later = next_scheduled(start_of(house) + timedelta(days=3))
    moves = StartMoves(house.database, clock, LETTERS)

    class Slow:
        """Signs as the house does, after somebody has moved the date."""

        def __init__(self) -> None:
            self.ready = equipment(house, clock.now())

        def sign(self, *arguments: object) -> bytes:
            moves.move(number, later, "回線工事の都合", actor=SECURITY)
            return self.ready.signer.sign(*arguments)  # type: ignore[arg-type]  # handed on as it came

    slow = Slow()
    made = ApprovalNotices(house.database, PUBLISHER, lambda _: Equipment(slow, slow.ready.evidence))  # type: ignore[arg-type]
    assert made.make_due(clock.now()) == 0
    assert latest(house, number) is None
    assert notices(house).make_due(clock.now()) == 1
    kept = latest(house, number)
    assert kept is not None
    assert (kept.edition, kept.start_date) == (1, later)


def test_of_two_who_make_the_same_edition_the_first_one_counts(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    number = approved(house)
    for content, is_first in ((b"one", True), (b"other", False)):
        days = (date(2026, 12, 15), date(2026, 11, 24))
        values = Notice(number, 1, "NAC001", *days, clock.now(), "ナックス商事", "東京営業所", store.digest(content))
        with house.database.transaction() as session:
            assert store.keep(session, values, content) is is_first
    assert notice_of(house, number) == b"one"


def test_ones_trouble_stops_no_other_one(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    numbers = [approved(house), approved(house)]
    ready = equipment(house, clock.now())

    class Lame:
        """Fails at first."""

        calls = 0

        def sign(self, *arguments: object) -> bytes:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("lame")
            return ready.signer.sign(*arguments)  # type: ignore[arg-type]  # handed on as it came

    lame = Equipment(Lame(), ready.evidence)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="lame"):
        ApprovalNotices(house.database, PUBLISHER, lambda _: lame).make_due(clock.now())
    assert sorted(latest(house, number) is not None for number in numbers) == [False, True]
    assert notices(house).make_due(clock.now()) == 1


def test_the_form_is_there_from_filing_on_and_the_same_each_time(house: House) -> None:
    house.new_terminals()
    number = filed(house, {"add.web.sea": ["1"]})
    form = desk(house).form(number)
    assert form.startswith(b"%PDF-1.7")
    assert desk(house).form(number) == form
    with pytest.raises(Refused, match="application-unknown"):
        desk(house).form("269999Z")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_application_has_its_form_and_its_notice(house: House, clock: SettableClock, kind: Kind) -> None:
    house.new_terminals()
    number = filed_of(house, kind)
    assert desk(house).form(number).startswith(b"%PDF-1.7")
    Review(house.database, clock, LETTERS).approve(number, start_of(house), approver=APPROVER)
    assert notices(house).make_due(clock.now()) == 1 + (kind is Kind.BROKER_IDS)
    clock.instant = day_start(start_of(house))
    assert desk(house).notice(number).startswith(b"%PDF-1.7")


def test_what_can_not_be_made_keeps_nobody_waiting_however_much_it_is(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    lame = {approved(house, {"add.web.sea": ["1"]}) for _ in range(2)}
    ready = equipment(house, clock.now())

    class Lame:
        """Fails with what there was before."""

        @staticmethod
        def sign(pdf: bytes, *others: object) -> bytes:
            if any(number.encode() in pdf for number in lame):
                raise RuntimeError("lame")
            return ready.signer.sign(pdf, *others)  # type: ignore[arg-type]  # handed on as it came

    lamed = Equipment(Lame(), ready.evidence)  # type: ignore[arg-type]
    maker = ApprovalNotices(house.database, PUBLISHER, lambda _: lamed, at_once=len(lame))
    sound = approved(house)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="lame"):
            maker.make_due(clock.now())
    assert latest(house, sound) is not None
    assert not any(latest(house, number) for number in lame)
    assert notices(house).make_due(clock.now()) == len(lame)


def test_what_was_issued_speaks_of_its_day_after_the_company_has_another_name(house: House, clock: SettableClock) -> None:
    house.new_terminals()
    names: Typed = {"company_name": ["ナックスホールディングス"], "office_name": ["新東京営業所"]}
    number = filed_items(house, {"names": names, "contractor": {"contractor_name": ["新　代表"]}})
    form = desk(house).form(number)
    review = Review(house.database, clock, LETTERS)
    review.approve(number, start_of(house), approver=APPROVER)
    notices(house).make_due(clock.now())
    october = Month(2026, 10)
    with house.database.transaction() as session:
        closing.enter(session, OFFICE, Facts(october, PricePlan.B), read_prices(), clock.now())
    bill = desk(house).bill(OFFICE, october)
    for item in ("names", "contractor"):
        review.mark_executed(number, item, actor=SECURITY)
    with house.database.snapshot() as session:
        office = offices.get(session, OFFICE)
    assert office is not None
    assert office.company.name == "ナックスホールディングス"
    assert desk(house).form(number) == form
    assert desk(house).bill(OFFICE, october) == bill
    told = Verification(house.database, clock, Children()).judge(notice_of(house, number), SOURCE).issued
    assert told is not None
    assert (told.notice.company, told.notice.office) == ("ナックス商事株式会社", "東京営業所")
