"""The gateways' list: who is on it when, its numbers, what a follower takes and what it refuses."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ca.certificates import CertificateRecord
from ca.revocation import Reason
from enrollment import gateway_follower, gateway_head, gateway_list
from enrollment.gateway_follower import Follower, Held
from enrollment.gateway_head import Head, ListRefused
from enrollment.gateway_list import LIFETIME, PERIOD, ClockBehindError, GatewayList
from kernel.audit import CheckpointSigner, history
from kernel.clock import day_start, tokyo_date
from tests.enrollment.renewing import renewable
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, PREPARER, SECURITY, SOURCE, House, new_request

KEY = Ed25519PrivateKey.generate()
SIGNER = CheckpointSigner("status.example.jp/gateway", KEY.public_key().public_bytes_raw(), KEY.sign)
FOLLOWER = Follower(SIGNER.verifier, KEY.public_key().verify)
SECOND = timedelta(seconds=1)


@dataclass
class Feed:
    """A house's list, the publishing of it, and a follower."""

    house: House
    clock: SettableClock
    folder: Path
    publisher: GatewayList
    held: Held | None = None
    fetched: list[str] = field(default_factory=list)

    def fetch(self, name: str) -> bytes:
        """Read a published file; raises OSError."""
        self.fetched.append(name)
        return (self.folder / name).read_bytes()

    def follow(self) -> Held:
        """Let a second go by, publish and take."""
        self.clock.advance(SECOND)
        self.publisher.publish_if_due(self.clock.now())
        self.held = FOLLOWER.take(self.fetch, self.held, self.clock.now())
        return self.held

    def lists(self, *records: CertificateRecord) -> bool:
        """Return whether exactly these certificates are on the list."""
        return self.follow().lines == {gateway_head.line_of(record.der or b"") for record in records}

    def another(self) -> GatewayList:
        """Return a publisher that knows nothing yet: of another node, or after a restart."""
        return GatewayList(self.house.database, SIGNER, self.folder)


@pytest.fixture
def feed(house: House, clock: SettableClock, tmp_path: Path) -> Feed:
    return Feed(house, clock, tmp_path / "lists", GatewayList(house.database, SIGNER, tmp_path / "lists"))


@pytest.fixture
def sqlite_feed(sqlite_house: House, clock: SettableClock, tmp_path: Path) -> Feed:
    return Feed(sqlite_house, clock, tmp_path / "lists", GatewayList(sqlite_house.database, SIGNER, tmp_path / "lists"))


@pytest.fixture(params=["follows", "reads anew"])
def either(request: pytest.FixtureRequest, sqlite_feed: Feed) -> Feed:
    """Return a list that follows each change, and one that reads everything anew: both must say the same."""
    if request.param == "reads anew":
        sqlite_feed.publisher.members.read_anew = timedelta()
    return sqlite_feed


def test_a_list_names_those_that_are_good_and_follows_what_is_done_to_them(feed: Feed) -> None:
    assert feed.lists()
    first, second = feed.house.issue(), feed.house.issue()
    assert feed.lists(first.certificate, second.certificate)
    feed.house.endings.revoke(first.terminal, Reason.KEY_COMPROMISE, SECURITY)
    assert feed.lists(second.certificate)
    feed.house.endings.suspend(second.terminal, SECURITY)
    assert feed.lists()
    feed.house.endings.resume(second.terminal, SECURITY)
    assert feed.lists(second.certificate)


def test_only_the_current_certificate_is_listed(feed: Feed) -> None:
    terminal = renewable(feed.house, feed.clock)
    assert feed.lists(terminal.old)
    renewed = terminal.renew().certificate
    assert feed.lists(renewed)
    feed.house.preparation.prepare_existing(terminal.terminal, APPROVER, PREPARER)
    codes = feed.house.codes_of(terminal.terminal)
    assert feed.lists(feed.house.redemption.redeem(codes, new_request().pem, SOURCE).certificate)


def test_a_certificate_comes_and_goes_by_its_own_dates(either: Feed) -> None:
    start = tokyo_date(either.clock.now()) + timedelta(days=2)
    record = either.house.issue(start_date=start).certificate
    assert either.lists()
    either.clock.instant = day_start(start) - 2 * SECOND
    assert either.lists()
    assert either.lists(record)  # a second later the day has begun
    either.clock.instant = record.not_after - SECOND
    assert either.lists(record)
    assert either.lists()


def test_a_revocation_is_followed_however_late_it_shows(either: Feed) -> None:
    retrieved = either.house.issue()
    assert either.lists(retrieved.certificate)
    # By a clock that is an hour behind, or in a transaction that took so long.
    late = replace(either.house.endings, clock=SettableClock(either.clock.now() - timedelta(hours=1)))
    late.revoke(retrieved.terminal, Reason.SUPERSEDED, SECURITY)
    assert either.lists()


def test_heads_rise_in_number_and_time_each_minute_also_when_nothing_changes(sqlite_feed: Feed) -> None:
    first = sqlite_feed.follow().head
    assert first.next_update - first.this_update == LIFETIME
    assert sqlite_feed.follow().head == first
    sqlite_feed.clock.advance(PERIOD)
    second = sqlite_feed.follow().head
    assert second.number > first.number
    assert second.this_update > first.this_update
    assert (second.list_number, second.sha256) == (first.list_number, first.sha256)


def test_each_list_is_on_record_and_a_mere_head_is_not(sqlite_feed: Feed) -> None:
    first = sqlite_feed.follow().head
    sqlite_feed.clock.advance(PERIOD)
    sqlite_feed.follow()
    sqlite_feed.house.issue()
    head = sqlite_feed.follow().head
    with sqlite_feed.house.database.snapshot() as session:
        recorded = history(session, "gateway:list")
    assert {deed.facts["number"] for deed in recorded} == {first.number, head.number}


def test_who_follows_fetches_what_changed_and_who_is_new_the_whole_list(sqlite_feed: Feed) -> None:
    sqlite_feed.follow()
    for _ in range(3):
        sqlite_feed.house.issue()
        sqlite_feed.fetched.clear()
        number = sqlite_feed.follow().head.list_number
        assert sqlite_feed.fetched == ["head", f"{number}.delta"]
    newcomer = FOLLOWER.take(sqlite_feed.fetch, None, sqlite_feed.clock.now())
    assert newcomer == sqlite_feed.held


def test_who_was_away_for_long_takes_up_again(sqlite_feed: Feed) -> None:
    sqlite_feed.publisher.most_deltas = 2
    away = sqlite_feed.follow()
    for _ in range(8):
        sqlite_feed.house.issue()
        sqlite_feed.follow()
    assert len(list(sqlite_feed.folder.iterdir())) < 10
    assert FOLLOWER.take(sqlite_feed.fetch, away, sqlite_feed.clock.now()) == sqlite_feed.held


def test_another_node_and_a_restart_go_on_with_the_numbers(feed: Feed) -> None:
    first = feed.follow().head
    feed.publisher = feed.another()
    assert feed.follow().head == first  # what stands is as it should be
    feed.house.issue()
    second = feed.follow().head
    feed.publisher = feed.another()
    feed.house.issue()
    third = feed.follow().head
    assert first.number < second.number < third.number
    assert feed.held is not None
    assert len(feed.held.lines) == 2


def test_after_a_restored_backup_numbers_rise_above_what_is_published(sqlite_feed: Feed) -> None:
    before = sqlite_feed.follow().head
    with sqlite_feed.house.database.transaction() as session:
        session.delete(session.get_one(gateway_list.GatewayListRow, 1))
    sqlite_feed.publisher = sqlite_feed.another()
    assert sqlite_feed.follow().head.number > before.number


def test_after_a_backup_without_the_published_files_they_rise_all_the_same(sqlite_feed: Feed) -> None:
    before = sqlite_feed.follow().head
    with sqlite_feed.house.database.transaction() as session:
        session.delete(session.get_one(gateway_list.GatewayListRow, 1))
    for file in sqlite_feed.folder.iterdir():
        file.unlink()
    sqlite_feed.publisher = sqlite_feed.another()
    assert sqlite_feed.follow().head.number > before.number


@pytest.mark.parametrize("lost", ["head", "*.list", "*.delta"])
def test_a_file_that_is_lost_is_published_anew(sqlite_feed: Feed, lost: str) -> None:
    sqlite_feed.follow()
    retrieved = sqlite_feed.house.issue()
    sqlite_feed.follow()
    for file in sqlite_feed.folder.glob(lost):
        file.unlink()
    assert sqlite_feed.lists(retrieved.certificate)
    assert FOLLOWER.take(sqlite_feed.fetch, None, sqlite_feed.clock.now()) == sqlite_feed.held


def test_no_head_is_signed_for_a_time_that_was_before(sqlite_feed: Feed) -> None:
    sqlite_feed.follow()
    sqlite_feed.house.issue()
    with pytest.raises(ClockBehindError):
        sqlite_feed.publisher.publish_if_due(sqlite_feed.clock.now() - timedelta(minutes=5))


def _head(**changed: object) -> Head:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    digest = gateway_head.digest(b"")
    return replace(Head(9, now, now + LIFETIME, 9, 0, digest, 9), **changed)  # type: ignore[arg-type]


def _taken(head: Head, held: Head | None = None, *, at: timedelta = SECOND, note: str = "") -> Held:
    files = {"head": (note or head.note(SIGNER)).encode(), f"{head.snapshot}.list": b""}
    before = Held(held.note(SIGNER), held, frozenset()) if held else None
    return FOLLOWER.take(files.__getitem__, before, _head().this_update + at)


def test_a_head_is_written_and_read_alike() -> None:
    assert _taken(_head()).head == _head()


@pytest.mark.parametrize(
    ("head", "held", "at"),
    [
        (_head(number=9, list_number=8, snapshot=8), _head(number=10), SECOND),  # older
        (_head(number=10, list_number=8, snapshot=8), _head(number=9, list_number=9), SECOND),  # goes back
        (_head(number=10, this_update=_head().this_update - SECOND), _head(), SECOND),
        (_head(entries=1, number=9), _head(), SECOND),  # the same number, something else
        (_head(), None, LIFETIME),  # over
        (_head(), None, -timedelta(hours=1)),  # of the future
    ],
)
def test_what_is_not_newer_or_not_of_this_time_is_refused(head: Head, held: Head | None, at: timedelta) -> None:
    with pytest.raises(ListRefused):
        _taken(head, held, at=at)


@pytest.mark.parametrize(
    "note",
    [
        _head().text(SIGNER.origin),
        _head().note(replace(SIGNER, origin="other.example.jp/gateway")),
        _head().note(SIGNER).replace("number 9", "number 10"),
        SIGNER.signed(_head().text("other.example.jp/gateway")),
        SIGNER.signed(_head().text(SIGNER.origin).replace("number 9", "number 09")),
        SIGNER.signed(_head().text(SIGNER.origin) + "more 1\n"),
        SIGNER.signed(_head(snapshot=10).text(SIGNER.origin)),
        SIGNER.signed(_head(next_update=_head().this_update).text(SIGNER.origin)),
        SIGNER.signed(_head(sha256="0" * 63).text(SIGNER.origin)),
        SIGNER.note(7, bytes(32)),
        "",
    ],
)
def test_what_is_not_exactly_a_head_of_this_list_is_refused(note: str) -> None:
    with pytest.raises(ListRefused):
        _taken(_head(), note=note or "\n")


def test_lists_and_deltas_that_were_changed_on_the_way_are_refused(sqlite_feed: Feed) -> None:
    held = sqlite_feed.follow()
    sqlite_feed.house.issue()
    sqlite_feed.follow()
    line = gateway_head.line_of(b"another certificate")

    def changed(name: str) -> bytes:
        content = sqlite_feed.fetch(name)
        return content if name == "head" else content + (b"+" if name.endswith("delta") else b"") + line + b"\n"

    for before in (held, None):
        with pytest.raises(ListRefused):
            FOLLOWER.take(changed, before, sqlite_feed.clock.now())


def test_a_delta_that_is_missing_is_made_up_for_by_the_whole_list(sqlite_feed: Feed) -> None:
    sqlite_feed.publisher.most_deltas = 0
    held = sqlite_feed.follow()
    sqlite_feed.house.issue()
    sqlite_feed.follow()
    for file in sqlite_feed.folder.glob("*.delta"):
        file.unlink()
    assert FOLLOWER.take(sqlite_feed.fetch, held, sqlite_feed.clock.now()) == sqlite_feed.held


def test_nginx_is_told_of_whom_and_until_when(sqlite_feed: Feed) -> None:
    sqlite_feed.house.issue()
    held, now = sqlite_feed.follow(), sqlite_feed.clock.now()
    text = gateway_follower.nginx(held, now)
    [line] = held.lines
    assert f"    {line.decode()[65:]} 1;\n" in text
    assert f'"{_span(now)}" 1;' in text
    assert f'"{_span(now + LIFETIME - timedelta(minutes=20))}" 1;' in text
    assert f'"{_span(now + LIFETIME)}" 1;' not in text


def test_without_a_list_nginx_lets_nobody_pass(sqlite_feed: Feed) -> None:
    now = sqlite_feed.clock.now()
    assert f'"{_span(now)}" 1;' not in gateway_follower.nginx(None, now)
    held = sqlite_feed.follow()
    late = held.head.next_update + SECOND
    assert f'"{_span(late)}" 1;' not in gateway_follower.nginx(held, late)


def _span(instant: datetime) -> str:
    """Return ten minutes as nginx's $time_iso8601 has them, on this machine."""
    local = instant.astimezone().isoformat(timespec="seconds")
    return local[:15] + local[19:]
