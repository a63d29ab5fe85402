"""Whatever is wrong with a guess, the answer takes as long (tests/support/contests.py), and costs the same statements."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, event, update

from enrollment.codes import Codes
from enrollment.protocols.usual_retrievals import Sent, UsualRetrievals
from kernel.database import connect
from kernel.throttle import ThrottleCounter
from registry.letters import Letters
from server.retrieval_lane import RetrievalLane
from tests.conftest import FreshDatabase
from tests.guessing.siege import ELSEWHERE, Siege, besieged, visitor
from tests.support.clock import SettableClock
from tests.support.contests import FAR, compared
from tests.support.interfaces import LANE, LANES, OTHER_FORMS, PEER, RETRIEVALS, Retrieve, World
from tests.webui.mailbox import Mailbox
from tests.webui.visitors import PASSWORD, code_at
from webui.accounts import AccountState, Door, PasswordLinks, UserLetters, Users
from webui.tables import AccountRow

# Tries of each kind in a round.
EACH = 24
# Kinds of wrong guesses of one way, which must all take as long.
Kinds = Mapping[str, Callable[[], object]]
FORMS: Mapping[str, Retrieve] = {**RETRIEVALS, **OTHER_FORMS, **LANES}


@pytest.fixture(scope="module")
def sqlite_siege(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    yield from _sieges(sqlite_databases, tmp_path_factory.mktemp("siege"))


@pytest.fixture(scope="module")
def postgresql_siege(postgresql_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    yield from _sieges(postgresql_databases, tmp_path_factory.mktemp("siege"))


def _sieges(fresh: FreshDatabase, folder: Path) -> Iterator[Siege]:
    with fresh() as url:
        database = connect(url)
        with besieged(database, folder, SettableClock()) as opened:
            yield opened
        database.dispose()


@pytest.fixture
def siege(request: pytest.FixtureRequest) -> Siege:
    """Return the one of the test's database; both stand until all tests are done, whatever their order."""
    found: Siege = request.getfixturevalue(f"{request.param}_siege")
    return found


def _on(sqlite: Iterable[str], postgresql: Iterable[str]) -> pytest.MarkDecorator:
    """Run a test for some ways on each database."""
    on_postgresql = [pytest.param("postgresql", way, marks=pytest.mark.postgresql) for way in postgresql]
    return pytest.mark.parametrize(("siege", "way"), [*(("sqlite", way) for way in sqlite), *on_postgresql], indirect=["siege"])


def _of_form(form: str, siege: Siege, world: World | None = None) -> Kinds:
    """Return guesses at codes: of an access key that nobody has, of one that waits, of one whose codes were redeemed."""
    waiting, spent = siege.attacked[0], siege.holders[0].codes
    unknown = replace(waiting, access_key="0000000000000")

    def guess(codes: Codes) -> Callable[[], object]:
        wrong = replace(codes, auth_code_2="AAAAAA")
        return lambda: FORMS[form](world or siege.worlds["retrieval"], wrong, siege.request, ELSEWHERE)

    return {"unknown": guess(unknown), "waiting": guess(waiting), "spent": guess(spent)}


def _access_keys(siege: Siege) -> Kinds:
    """Return guesses at an access key: wrong from the first digit, and in the last one only."""
    holder = siege.holders[1]
    right = holder.codes.access_key

    def guess(access_key: str) -> Callable[[], object]:
        body = json.dumps({"terminal": holder.terminal, "access_key": access_key}).encode()
        headers = {"Content-Type": "application/json", PEER: holder.der.hex()}
        return lambda: siege.worlds["terminals"].send("POST", "/api/v1/logons", headers, body, ELSEWHERE)

    other = {digit: str((int(digit) + 1) % 10) for digit in "0123456789"}
    return {"all digits": guess("".join(other[digit] for digit in right)), "the last digit": guess(right[:-1] + other[right[-1]])}


def _log_ins(door: str) -> Callable[[Siege], Kinds]:
    """Return log-ins: of a name that nobody has, of somebody, of who may not log in any more."""
    known, stopped, office = ("hanako", "shiro", "NAC001") if door == "portal" else ("sato", "mori", "")

    def kinds(siege: Siege) -> Kinds:
        stop = update(AccountRow).where(AccountRow.login == stopped).values(state=AccountState.DISABLED.value)
        with siege.house.database.transaction() as session:
            session.execute(stop)
        browser = visitor(siege, door, ELSEWHERE)
        browser.get("/login")

        def guess(login: str) -> Callable[[], object]:
            typed = {"user": login, "password": "wrong password"} | ({"office_code": office} if office else {})
            return lambda: browser.post("/login", typed)

        return {"nobody": guess("nobody"), "somebody": guess(known), "stopped": guess(stopped)}

    return kinds


def _second_factors(siege: Siege) -> Kinds:
    """Return second factors: a wrong code, the one that was used a moment ago, what is no code."""
    browser = visitor(siege, "portal", ELSEWHERE)
    siege.another("saburo", "NAC002")
    for again in (True, False):
        browser.get("/login")
        browser.get(browser.post("/login", {"office_code": "NAC002", "user": "saburo", "password": PASSWORD}).location)
        if again:
            browser.post("/login/second", {"factor_code": code_at(siege.clock)})
            browser.get("/")
            browser.post("/logout", {})

    def guess(code: str) -> Callable[[], object]:
        return lambda: browser.post("/login/second", {"factor_code": code})

    used = code_at(siege.clock)
    return {"wrong": guess(str((int(used) + 1) % 10**6).zfill(6)), "used": guess(used), "no code": guess("------")}


def _links(siege: Siege) -> Kinds:
    """Return secrets of links: one that never was, and one that was used."""
    mailbox = Mailbox(siege.house.database, siege.clock)
    letters = UserLetters(Letters("https://localhost:8443"))
    ito, users = siege.pages.person("ito"), Users(siege.house.database, siege.clock, letters)
    users.send_link("NAC001", "jiro", ito)
    used = mailbox.token_of("jiro@example.jp")
    choosing = PasswordLinks(siege.house.database, siege.clock, letters, siege.passwords)
    choosing.choose(Door.PORTAL, used, PASSWORD, source=ELSEWHERE)
    browser = visitor(siege, "portal", ELSEWHERE)
    browser.get("/account/password")

    def guess(token: str) -> Callable[[], object]:
        typed = {"code": token, "new_password": "atarashii-aikotoba", "new_password_again": "atarashii-aikotoba"}
        return lambda: browser.post("/account/password", typed)

    return {"never was": guess("A" * len(used)), "used": guess(used)}


CONTESTS: Mapping[str, Callable[[Siege], Kinds]] = {
    **{form: partial(_of_form, form) for form in FORMS},
    "logon, stolen certificate": _access_keys,
    "log-in at the portal": _log_ins("portal"),
    "log-in at the center": _log_ins("center"),
    "second factor": _second_factors,
    "link to a password": _links,
}

# The others count and compare by the same functions.
ON_BOTH = ("REST", LANE, "CMP", "logon, stolen certificate", "log-in at the portal", "second factor")


@_on(CONTESTS, ON_BOTH)
def test_whatever_is_wrong_takes_as_long(siege: Siege, way: str) -> None:
    found = _compared(siege, CONTESTS[way](siege))
    print(found)  # noqa: T201 (shown when it fails)
    assert {kind for kind, deviations in found.items() if abs(deviations) > FAR} == set()


@_on(CONTESTS, CONTESTS)
def test_whatever_is_wrong_costs_the_same_statements(siege: Siege, way: str) -> None:
    kinds = CONTESTS[way](siege)
    for guess in kinds.values():
        guess()  # what is done the first time only
    first, *others = [_statements(siege, guess) for guess in kinds.values()]
    assert first
    assert [one == first for one in others] == [True] * len(others)


@_on(["REST"], ["log-in at the portal"])
def test_the_comparison_sees_who_does_something_more_for_some(siege: Siege, way: str) -> None:
    """The planted leak: for what exists, what it has is read, as somebody would who looks at the state too early."""
    first, second, *_ = CONTESTS[way](siege).items()

    def curious() -> object:
        for holder in siege.holders * 2:
            siege.house.own_states.of(holder.der)
            siege.house.code_set_rows(holder.terminal)
        return second[1]()

    assert _compared(siege, dict([first, (second[0], curious)]))[second[0]] > FAR
    assert _statements(siege, curious) != _statements(siege, first[1])


@dataclass(frozen=True)
class _Curious(UsualRetrievals):
    """The planted leak in a lane: for access keys that exist, some more is read before their codes are judged."""

    siege: Siege

    def answers(self, sent: Sequence[Sent]) -> list[bytes | None]:
        known = {codes.access_key for codes in (*self.siege.attacked, *(holder.codes for holder in self.siege.holders))}
        for one in sent:
            if json.loads(one.body)["access_key"] in known:
                for holder in self.siege.holders * 4:
                    self.siege.house.own_states.of(holder.der)
        return super().answers(sent)


@_on([LANE], [])
def test_the_comparison_sees_a_lane_that_reads_on_for_some(siege: Siege, way: str) -> None:
    curious = _Curious(siege.house.redemption, json.dumps, siege)
    kinds = _of_form(way, siege, siege.world("retrieval", RetrievalLane(curious)))
    found = _compared(siege, kinds)
    assert min(found.values()) > FAR, found
    for guess in kinds.values():
        guess()
    unknown, *others = [_statements(siege, guess) for guess in kinds.values()]
    assert all(one != unknown for one in others)


def test_a_lane_looks_at_each_wrong_guess_of_the_comparison(sqlite_siege: Siege) -> None:
    """As the first of its key: what it looked at once is left to the app, which would be compared with itself."""
    [in_lane, alone] = [_of_form(form, sqlite_siege)["waiting"] for form in (LANE, "REST")]
    in_lane()
    alone()
    assert len(_statements(sqlite_siege, in_lane)) > len(_statements(sqlite_siege, alone))


def _compared(siege: Siege, kinds: Kinds) -> dict[str, float]:
    """Compare the kinds (tests/support/contests.py), each try the first of its key and of its address."""
    for guess in kinds.values():
        guess()  # what is done the first time only
    return compared(kinds, siege.moods, each=EACH, before=partial(_forgive, siege))


def _statements(siege: Siege, guess: Callable[[], object]) -> list[str]:
    """Return what is sent to the database, without values, in its order."""
    sent: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_context: object) -> None:
        sent.append(statement)

    _forgive(siege)
    event.listen(siege.house.database.engine, "before_cursor_execute", note)
    try:
        guess()
    finally:
        event.remove(siege.house.database.engine, "before_cursor_execute", note)
    return sent


def _forgive(siege: Siege) -> None:
    siege.house.redemption._left.clear()  # noqa: SLF001 (whom the lane leaves to the app)
    with siege.house.database.transaction() as session:
        session.execute(delete(ThrottleCounter))
