"""Every way to try a secret at a door: which routes it goes by, what one guess is, and how often one victim's may be looked at.

A guess is told "wrong" (somebody looked), "kept" (nobody did: too many before) or "right". `test_routes` knows that none is
missing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from enrollment import guessing, logon
from tests.guessing.siege import ELSEWHERE, Siege, visitor
from tests.support.interfaces import LANE, LANES, OTHER_FORMS, PEER, RETRIEVALS, Holder, Retrieve
from tests.webui.visitors import PASSWORD, Visitor, code_at
from webui.accounts import sources
from webui.factors import book

# Takes the attacker's address, returns what was told.
Guess = Callable[[str], str]
# The windows of half an hour that an hour has.
WINDOWS = 2
TOO_MANY = 429


@dataclass(frozen=True)
class Way:
    """One way at one door.

    `routes` are the door's; `most` is how often in an hour a victim's secret may be looked at, from any number of addresses, None
    where it is too long to be guessed; `shares` names what counts its tries: ways with the same are counted together.
    """

    name: str
    door: str
    routes: tuple[str, ...]
    shares: str
    most: int | None
    begin: Callable[[Siege], Guess]


CODES_MOST = WINDOWS * guessing.BY_ACCESS_KEY.failures
LOGON_MOST = WINDOWS * logon.LIMIT.failures
# Locked for 15, then for 30 minutes, then for an hour.
LOG_IN_MOST = 3 * sources.PER_ACCOUNT.failures
PASSWORD_MOST = WINDOWS * sources.PER_ACCOUNT_AND_SOURCE.failures
FACTOR_MOST = WINDOWS * book.PER_ACCOUNT.failures


def _by_codes(retrieve: Retrieve, door: str, siege: Siege) -> Guess:
    def guess(source: str) -> str:
        told = retrieve(siege.worlds[door], siege.guess(), siege.request, source)
        if told.certificate is not None or told.outcome == "given":
            return "right"
        return "kept" if "throttled" in told.words or "Too many wrong tries" in told.words else _wrong(told.words)

    return guess


def _wrong(words: str) -> str:
    assert "codes-wrong" in words or "One of access key, authentication codes and office code is wrong" in words, words[:300]
    return "wrong"


def _by_access_key(of: Callable[[Siege], tuple[Holder, Callable[[], bytes]]], siege: Siege) -> Guess:
    holder, certificate = of(siege)

    def guess(source: str) -> str:
        body = json.dumps({"terminal": holder.terminal, "access_key": f"{siege.moods.randrange(10**13):013}"}).encode()
        headers = {"Content-Type": "application/json", PEER: certificate().hex()}
        reply = siege.worlds["terminals"].send("POST", "/api/v1/logons", headers, body, source)
        told = str(json.loads(reply.body).get("code", "right"))
        return {"A0018": "wrong", "throttled": "kept"}.get(told, told)

    return guess


def _stolen(siege: Siege) -> tuple[Holder, Callable[[], bytes]]:
    return siege.holders[0], lambda: siege.holders[0].der


def _forged(siege: Siege) -> tuple[Holder, Callable[[], bytes]]:
    made = siege.forged(siege.holders[1])
    return siege.holders[1], lambda: made


def _foreign(siege: Siege) -> tuple[Holder, Callable[[], bytes]]:
    return siege.holders[1], lambda: siege.foreign(siege.holders[1])


@dataclass
class _Page:
    """A form that is sent again and again: by somebody who is as far as `arrive` brings them."""

    siege: Siege
    door: str
    path: str
    form: Callable[[], Mapping[str, str]]
    arrive: Callable[[Visitor], object] = field(default=lambda browser: browser.get("/login"))
    wrong: int = 422
    _browser: Visitor | None = None

    def __post_init__(self) -> None:
        """Arrive before the attack begins: who was just let in is not asked again so soon."""
        self._browser = visitor(self.siege, self.door, ELSEWHERE)
        self.arrive(self._browser)

    def __call__(self, source: str) -> str:
        """Send it once; whose way there is over begins anew."""
        for _ in range(2):
            if self._browser is None:
                self._browser = visitor(self.siege, self.door, source)
                self.arrive(self._browser)
            self._browser.address = source
            answer = self._browser.post(self.path, self.form())
            if answer.status_code == TOO_MANY or "誤りが続いた" in answer.text:
                return "kept"
            if answer.status_code == self.wrong:
                return "wrong"
            self._browser = None
            if not (answer.location or "").startswith("/login"):
                return f"right: {answer.status_code}"
        return "away"


def _random_password(siege: Siege) -> str:
    return f"guess-{siege.moods.randrange(10**9):09}"


def _log_in(door: str, login: str, siege: Siege) -> Guess:
    office = {"office_code": "NAC001"} if door == "portal" else {}
    return _Page(siege, door, "/login", lambda: {**office, "user": login, "password": _random_password(siege)})


def _second(siege: Siege) -> Guess:
    """Guess the second factor of who lost the password: goro."""

    def arrive(browser: Visitor) -> None:
        address, browser.address = browser.address, "198.51.100.9"
        browser.get("/login")
        browser.get(browser.post("/login", {"office_code": "NAC001", "user": "goro", "password": PASSWORD}).location)
        browser.address = address

    return _Page(
        siege, "portal", "/login/second", lambda: {"factor_code": f"{siege.moods.randrange(10**6):06}"}, arrive
    )  # fmt: skip


def _inside(siege: Siege, login: str) -> Callable[[Visitor], None]:
    """Return what takes over a session that was left open."""

    def arrive(browser: Visitor) -> None:
        address, browser.address = browser.address, "198.51.100.7"
        browser.get("/login")
        answer = browser.post("/login", {"office_code": "NAC001", "user": login, "password": PASSWORD})
        if answer.location.startswith("/login/second"):
            siege.another(login, "NAC001")
            browser.get(answer.location)
            browser.post("/login/second", {"factor_code": code_at(siege.clock)})
        browser.get("/password")
        browser.address = address

    return arrive


def _step_up(siege: Siege) -> Guess:
    """Guess the second factor in a session that jiro left open."""
    return _Page(
        siege,
        "portal",
        "/factors/recovery",
        lambda: {"factor_code": f"{siege.moods.randrange(10**6):06}"},
        _inside(siege, "jiro"),
    )


def _own_password(siege: Siege) -> Guess:
    new = "atarashii-aikotoba"

    def form() -> Mapping[str, str]:
        return {"current_password": _random_password(siege), "new_password": new, "new_password_again": new}

    return _Page(siege, "portal", "/password", form, _inside(siege, "shiro"))


def _before_first_factor(siege: Siege) -> Guess:
    """Guess the password in a session that shiro left open, to register an app of one's own."""

    def arrive(browser: Visitor) -> None:
        _inside(siege, "shiro")(browser)
        browser.post("/factors/totp/begin", {})

    return _Page(
        siege, "portal", "/factors/totp", lambda: {"first_code": "000000", "password": _random_password(siege)}, arrive
    )  # fmt: skip


def _link(door: str, path: str, siege: Siege) -> Guess:
    new = "atarashii-aikotoba"
    form = {"new_password": new, "new_password_again": new} if path.endswith("password") else {}
    return _Page(siege, door, path, lambda: {**form, "code": f"{siege.moods.getrandbits(256):043x}"[:43]})


_EST, _CMP = "/.well-known/est/<path:rest>", ("/.well-known/cmp", "/.well-known/cmp/<path:rest>")


def _of_codes() -> list[Way]:
    forms = {**RETRIEVALS, **OTHER_FORMS, **LANES}
    routes: Mapping[str, tuple[str, ...]] = {
        **dict.fromkeys(("REST", LANE), ("/api/v1/retrievals",)),
        "page": ("/retrieve/request",),
        **dict.fromkeys(("EST", "EST serverkeygen"), (_EST,)),
        **dict.fromkeys(("SCEP", "SCEP by GET"), ("/scep",)),
        **dict.fromkeys(("CMP", "CMP by PBMAC1"), _CMP),
    }
    offered = {
        "retrieval": tuple(forms),
        "terminals": ("EST", "EST serverkeygen"),
        "plain": ("SCEP", "SCEP by GET", "CMP", "CMP by PBMAC1"),
    }
    return [
        Way(name, door, routes[name], "codes", CODES_MOST, partial(_by_codes, forms[name], door))
        for door, names in offered.items()
        for name in names
    ]


def _of_access_keys() -> list[Way]:
    kinds = {"stolen certificate": _stolen, "forged certificate": _forged, "foreign certificates": _foreign}
    shared = {"stolen certificate": "logon", "forged certificate": "logon-foreign", "foreign certificates": "logon-foreign"}
    return [
        Way(f"logon, {kind}", "terminals", ("/api/v1/logons",), shared[kind], LOGON_MOST, partial(_by_access_key, of))
        for kind, of in kinds.items()
    ]


# Where a session that was left open is asked for the second factor again: all by one function, `webui.step_up`.
STEP_UP = "step-up"
_LINKS = ("/account/password",)
WAYS: Sequence[Way] = (
    *_of_codes(),
    *_of_access_keys(),
    Way("log-in", "portal", ("/login",), "log-in portal", LOG_IN_MOST, partial(_log_in, "portal", "hanako")),
    Way("log-in", "center", ("/login",), "log-in center", LOG_IN_MOST, partial(_log_in, "center", "sato")),
    Way("second factor", "portal", ("/login/second",), "factor", FACTOR_MOST, _second),
    Way(STEP_UP, "portal", ("/factors/recovery",), "step-up", FACTOR_MOST, _step_up),
    Way("own password", "portal", ("/password",), "own password", PASSWORD_MOST, _own_password),
    Way("before the first factor", "portal", ("/factors/totp",), "own password", PASSWORD_MOST, _before_first_factor),
    Way("link to a password", "portal", _LINKS, "links", None, partial(_link, "portal", "/account/password")),
    Way("link to a password", "center", _LINKS, "links", None, partial(_link, "center", "/account/password")),
    Way("link of an address", "portal", ("/account/mail",), "links", None, partial(_link, "portal", "/account/mail")),
)
