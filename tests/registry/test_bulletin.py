"""The bulletin's records: what staff write, and what readers see at which instant."""

import dataclasses
from datetime import date, timedelta

import pytest

from kernel import audit
from kernel.clock import day_start, tokyo_date
from kernel.database import Database
from kernel.errors import Refused
from registry import bulletin
from registry.bulletin import CATEGORIES, BulletinDesk, Content, Month, NoticeState, Wanted, check_content, content_form
from registry.faults import Faults
from tests.support.clock import SettableClock

SATO, SUZUKI = audit.staff("sato"), audit.staff("suzuki")
PLANNED = Content(
    category="maintenance",
    title_ja="定期メンテナンスのお知らせ",
    title_en="Planned maintenance",
    body_ja="１２月１日の午前２時から、㈱の受付を停止します。",
    body_en="We stop at 2 a.m. on 1 December.",
)


@pytest.fixture
def desk(database: Database, clock: SettableClock) -> BulletinDesk:
    """Return the use cases of staff."""
    return BulletinDesk(database, clock)


def published(desk: BulletinDesk, **changes: object) -> int:
    content = dataclasses.replace(PLANNED, **changes)  # type: ignore[arg-type]  # names of its fields
    number = desk.draft(content, SATO)
    desk.publish(number, 1, SATO)
    return number


def seen(desk: BulletinDesk, **wanted: str) -> list[int]:
    with desk.database.snapshot() as session:
        found = bulletin.visible(session, desk.clock.now(), Wanted(**wanted))
    return [notice.id for notice in found.records]


def test_nobody_sees_a_draft_and_everybody_what_is_published(desk: BulletinDesk) -> None:
    number = desk.draft(PLANNED, SATO)
    assert seen(desk) == []
    with desk.database.snapshot() as session:
        assert bulletin.find_public(session, number, desk.clock.now()) is None
    desk.publish(number, 1, SUZUKI)
    assert seen(desk) == [number]


def test_a_notice_appears_on_its_first_day_and_leaves_after_its_last(desk: BulletinDesk, clock: SettableClock) -> None:
    today = tokyo_date(clock.now())
    first, last = today + timedelta(days=1), today + timedelta(days=2)
    number = published(desk, publish_from=first, publish_until=last)
    assert seen(desk) == []
    clock.advance(day_start(first) - clock.now())
    assert seen(desk) == [number]
    clock.advance(timedelta(days=2, seconds=-1))
    assert seen(desk) == [number]
    clock.advance(timedelta(seconds=1))
    assert seen(desk) == []
    with desk.database.snapshot() as session:
        gone = bulletin.find_public(session, number, clock.now())
    assert gone is not None
    assert not gone.is_visible(clock.now())


def test_a_correction_keeps_what_was_said_before(desk: BulletinDesk, clock: SettableClock) -> None:
    number = published(desk)
    clock.advance(timedelta(hours=1))
    corrected = dataclasses.replace(PLANNED, title_ja="時刻を訂正しました", publish_from=date(2030, 1, 1))
    assert desk.change(number, 2, corrected, SUZUKI) is NoticeState.PUBLISHED
    assert seen(desk) == [number]
    with desk.database.snapshot() as session:
        notice = bulletin.find(session, number)
        history = bulletin.revisions(session, number)
    assert notice is not None
    # Readers have seen it: its beginning is no longer a choice.
    assert (notice.content.publish_from, notice.corrected_at, notice.updated_at) == (None, clock.now(), clock.now())
    assert [(one.version, one.event, one.actor) for one in history] == [
        (3, "correct", "staff:suzuki"),
        (2, "publish", "staff:sato"),
        (1, None, "staff:sato"),
    ]
    assert [one.content.title_ja for one in history] == ["時刻を訂正しました", PLANNED.title_ja, PLANNED.title_ja]


def test_what_nobody_has_seen_yet_may_be_moved_and_is_not_called_corrected(desk: BulletinDesk, clock: SettableClock) -> None:
    later = tokyo_date(clock.now()) + timedelta(days=40)
    number = published(desk, publish_from=later)
    desk.change(number, 2, dataclasses.replace(PLANNED, publish_from=later - timedelta(days=39)), SATO)
    clock.advance(timedelta(days=2))
    assert seen(desk) == [number]
    with desk.database.snapshot() as session:
        notice = bulletin.find(session, number)
    assert notice is not None
    assert notice.corrected_at is None


def test_a_withdrawn_notice_is_gone_with_its_reason_on_record(desk: BulletinDesk) -> None:
    number = published(desk)
    desk.withdraw(number, 2, SATO, reason="誤報のため")
    assert seen(desk) == []
    with desk.database.snapshot() as session:
        assert bulletin.revisions(session, number)[0].reason == "誤報のため"
        notice = bulletin.find_public(session, number, desk.clock.now())
    assert notice is not None
    assert notice.state is NoticeState.WITHDRAWN
    with pytest.raises(Refused, match="bulletin-state"):
        desk.change(number, 3, PLANNED, SATO)


def test_of_two_who_write_at_once_the_second_is_told(desk: BulletinDesk) -> None:
    number = desk.draft(PLANNED, SATO)
    desk.change(number, 1, PLANNED, SATO)
    with pytest.raises(Refused, match="bulletin-changed"):
        desk.change(number, 1, PLANNED, SUZUKI)
    with pytest.raises(Refused, match="bulletin-unknown"):
        desk.publish(number + 1, 1, SATO)


def test_a_notice_whose_last_day_has_passed_is_not_published(desk: BulletinDesk, clock: SettableClock) -> None:
    number = desk.draft(dataclasses.replace(PLANNED, publish_until=tokyo_date(clock.now())), SATO)
    clock.advance(timedelta(days=1))
    with pytest.raises(Refused, match="bulletin-over"):
        desk.publish(number, 1, SATO)


@pytest.mark.parametrize("text", ["メンテナンス", "ﾒﾝﾃﾅﾝｽ", "12月1日 午前2時", "(株)", "DECEMBER"])
def test_words_are_found_inside_of_words_however_they_are_typed(desk: BulletinDesk, text: str) -> None:
    number = published(desk)
    assert seen(desk, text=text) == [number]
    assert seen(desk, text=f"{text} 見つからない") == []


def test_signs_of_the_database_and_controls_are_only_text(desk: BulletinDesk) -> None:
    number = published(desk, body_ja="100%の_証明書")
    assert seen(desk, text="100%の_") == [number]
    assert seen(desk, text="_証\x00明書") == [number]
    assert seen(desk, text="%") == [number]
    assert seen(desk, text="1%0") == []


def test_notices_are_listed_by_category_and_month_newest_first(desk: BulletinDesk, clock: SettableClock) -> None:
    first = published(desk)
    clock.advance(timedelta(days=31))
    second = published(desk, category="incident", is_pinned=True, is_urgent=True)
    third = published(desk)
    assert seen(desk) == [third, second, first]
    assert seen(desk, category="incident") == [second]
    assert seen(desk, month="2026-11") == [first]
    with desk.database.snapshot() as session:
        assert bulletin.months(session, clock.now()) == (Month("2026-12", 2), Month("2026-11", 1))
        assert [notice.id for notice in bulletin.pinned(session, clock.now())] == [second]
        assert [notice.id for notice in bulletin.urgent(session, clock.now())] == [second]


def test_the_instant_of_the_last_change_knows_what_left(desk: BulletinDesk, clock: SettableClock) -> None:
    def changed() -> object:
        with desk.database.snapshot() as session:
            return bulletin.changed_at(session, clock.now())

    assert changed() is None
    last = tokyo_date(clock.now())
    published(desk, publish_until=last)
    at = clock.now()
    clock.advance(timedelta(hours=1))
    assert changed() == at
    clock.advance(timedelta(days=1))
    assert changed() == day_start(last + timedelta(days=1))


def test_staff_find_everything_by_state_and_words(desk: BulletinDesk) -> None:
    draft, open_one = desk.draft(PLANNED, SATO), published(desk, title_en="Something else")
    with desk.database.snapshot() as session:
        assert {one.id for one in bulletin.listed(session).records} == {draft, open_one}
        assert [one.id for one in bulletin.listed(session, state=NoticeState.DRAFT).records] == [draft]
        assert [one.id for one in bulletin.listed(session, text="else").records] == [open_one]


def test_the_form_gives_back_what_was_written(clock: SettableClock) -> None:
    today = tokyo_date(clock.now())
    content = dataclasses.replace(PLANNED, publish_from=today, publish_until=today, is_urgent=True)
    typed = {name: [value] for name, value in content_form(content).items()}
    assert check_content(typed, today) == content


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("title_en", "", "required"),
        ("body_ja", " ", "required"),
        ("title_ja", "あ" * 121, "too-long"),
        ("title_ja", "二\n行", "one-line"),
        ("body_en", "a\u202eb", "character"),
        ("category", "gossip", "category-unknown"),
        ("publish_from", "tomorrow", "date-form"),
        ("publish_from", "2020-01-01", "date-past"),
        ("publish_until", "2026-11-24", "date-order"),
    ],
)
def test_each_slip_is_told_beside_its_field(clock: SettableClock, field: str, value: str, code: str) -> None:
    typed = {name: [text] for name, text in content_form(PLANNED).items()} | {"publish_from": ["2026-11-30"], field: [value]}
    faults = check_content(typed, tokyo_date(clock.now()))
    assert isinstance(faults, Faults)
    assert [(fault.field, fault.code) for fault in faults] == [(field, code)]


def test_what_readers_see_already_keeps_its_first_day(clock: SettableClock) -> None:
    typed = {name: [text] for name, text in content_form(PLANNED).items()} | {"publish_from": ["2020-01-01"]}
    content = check_content(typed, tokyo_date(clock.now()), began=date(2026, 11, 1))
    assert isinstance(content, Content)
    assert content.publish_from == date(2026, 11, 1)


def test_categories_are_named_in_both_languages() -> None:
    assert all(category.ja and category.en.isascii() and code == category.code for code, category in CATEGORIES.items())
