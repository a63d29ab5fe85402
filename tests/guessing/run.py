"""A run: an hour in which so many guesses come, from so many addresses, by all ways in turn; and what came of it."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from tests.guessing.siege import ELSEWHERE, Siege, visitor
from tests.guessing.ways import CODES_MOST, WAYS, Guess, Way
from tests.support.house import new_request
from tests.support.interfaces import LANES, OTHER_FORMS, PEER, RETRIEVALS, Outcome
from tests.webui.visitors import Visitor
from webui.tables import AccountRow

# After so long a session is asked again who it is.
STALE = timedelta(minutes=11)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Report:
    """What each way was told, and how often at most the codes of one access key were looked at, by all ways together."""

    answers: dict[Way, Counter[str]]
    most_codes: int

    def faults(self) -> Iterator[str]:
        """Yield what may not be."""
        if self.most_codes > CODES_MOST:
            yield f"the codes of one access key were looked at {self.most_codes} times"
        shared = Counter[str]()
        for way, told in self.answers.items():
            if told.keys() - {"wrong", "kept"}:
                yield f"{way.name} at {way.door} told {dict(told)}"
            shared[way.shares] += told["wrong"]
        for way in self.answers:
            if way.most is not None and way.shares != "codes" and shared[way.shares] > way.most:
                yield f"{way.name}: {shared[way.shares]} tries of {way.shares} were looked at, at most {way.most} may be"


def run(siege: Siege, tries: int, addresses: int, ways: Sequence[Way] = WAYS, *, within: timedelta = HOUR) -> Report:
    """Guess, evenly in a time."""
    guesses: list[Guess] = [way.begin(siege) for way in ways]
    siege.clock.advance(STALE)
    answers = {way: Counter[str]() for way in ways}
    siege.hasher.looked.clear()
    siege.opener.opened.clear()
    for number in range(tries):
        turn, at = divmod(number, len(ways))
        answers[ways[at]][guesses[at](source_of(turn % addresses))] += 1
        siege.clock.advance(within / tries)
    return Report(answers, max(_looked(siege).values()))


def source_of(number: int) -> str:
    """Return an attacker's address: each in a network of its own."""
    return f"2001:db8:{number:x}::1"


def _looked(siege: Siege) -> Counter[str]:
    """Return how often each attacked access key's codes were looked at, in whichever form they are kept."""
    looked = Counter({codes.access_key: siege.hasher.looked[codes.access_key] for codes in siege.attacked})
    for binding, times in siege.opener.opened.items():
        for codes in siege.attacked:
            if codes.auth_code_1[3:].encode() in binding:  # the end of the terminal's name
                looked[codes.access_key] += times
    return looked


def password_looks(siege: Siege, login: str, office_code: str = "") -> int:
    """Return how often somebody's password was compared."""
    person = siege.pages.person(login, office_code)
    with siege.house.database.snapshot() as session:
        stored = session.scalars(select(AccountRow.password_hash).where(AccountRow.id == person.account_id)).one()
    return siege.passwords.looked[stored or ""]


@dataclass(frozen=True)
class Regulars:
    """People who have logged in before the attack, each with a browser: hanako and sato are attacked, the others are not."""

    siege: Siege
    browsers: dict[str, Visitor]

    @classmethod
    def of(cls, siege: Siege) -> "Regulars":
        """Let them log in and out."""
        people = {"hanako": "NAC001", "saburo": "NAC002", "sato": "", "mori": ""}
        browsers = {}
        for login, office in people.items():
            browser = browsers[login] = visitor(siege, "portal" if office else "center", source_of(0))
            siege.another(login, office) if office else siege.pages.code(login)
            siege.pages.enter(browser, login, office)
            browser.get("/")
            browser.post("/logout", {})
        return cls(siege, browsers)

    def shut_out(self) -> Iterator[str]:
        """Yield who can not log in any more, from the attacker's own address, with the browser of before."""
        for login, browser in self.browsers.items():
            office = {"hanako": {"office_code": "NAC001"}, "saburo": {"office_code": "NAC002"}}.get(login, {})
            told = browser.log_in(user=login, **office)
            if told.status_code != 303 or not told.location.startswith("/login/second"):
                yield f"{login} is told {told.status_code}"
        stranger = visitor(self.siege, "portal", ELSEWHERE)
        if stranger.log_in(user="saburo", office_code="NAC002").status_code != 303:
            yield "saburo is shut out elsewhere, too"


def harmed(siege: Siege) -> Iterator[str]:
    """Yield who can not do any more what is theirs: those who were not attacked, from the attacker's address and elsewhere.

    Uses up codes of theirs each time.
    """
    forms = {**RETRIEVALS, **OTHER_FORMS, **LANES}
    for way in WAYS:
        if way.shares != "codes":
            continue
        for source in (source_of(0), ELSEWHERE):
            told = forms[way.name](siege.worlds[way.door], siege.spared.pop(), new_request(), source)
            if told.outcome is not Outcome.GIVEN:
                yield f"{way.name} at {way.door} from {source}: {told.words}"
    for holder in siege.holders[1:]:
        body = json.dumps({"terminal": holder.terminal, "access_key": holder.codes.access_key}).encode()
        headers = {"Content-Type": "application/json", PEER: holder.der.hex()}
        reply = siege.worlds["terminals"].send("POST", "/api/v1/logons", headers, body, source_of(0))
        if reply.status != 200:
            yield f"{holder.terminal} can not log on: {reply.body.decode()}"
