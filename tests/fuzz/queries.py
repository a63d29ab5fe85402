"""What stands in addresses: where to go on to after the log-in, and what lists are asked for."""

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import flask

from enrollment import diagnosis_cases
from registry.billing.months import read_month
from registry.bulletin.contents import MOST_WORDS, words_of
from registry.calendar import HORIZON, RULE, read_day
from registry.faults import FieldFault
from registry.japanese import SEARCH_MOST, searchable
from tests.fuzz import mutation
from tests.fuzz.trial import NotTaken, Read, Target, trusting_the_text
from tests.fuzz.visits import HOST, environ_of, portal
from webui import guard, months
from webui.center import listing

_NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)


def _next() -> Read:
    """Return what reads where a visitor wants to go on to, in a request that lasts."""
    context = portal().test_request_context("/login")

    def read(content: bytes) -> str:
        with context:
            wanted = content.decode("utf-8", "replace")
            found = guard.safe_next(wanted)
        if found != wanted:
            raise NotTaken  # it leads home
        return found

    return read


def stays_on_this_door(_content: bytes, taken: str) -> None:
    """Follow an address as browsers do, which take a backslash for a slash and pass over tabs and line ends."""
    followed = re.sub(r"[\t\r\n]", "", taken.strip("".join(map(chr, range(0x21))))).replace("\\", "/")
    assert urlsplit(urljoin(f"{HOST}/login", followed))[:2] == ("https", "portal.example.jp")


def _anywhere_below(read: Read) -> Read:
    """Plant a fault: what begins with a slash is ours."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        return content.decode("utf-8", "replace") if content.startswith(b"/") else read(content)

    return careless


class Query(NamedTuple):
    """What lists are asked for."""

    page: int
    shown: int
    month: str
    day: object
    words: tuple[str, ...]
    text: str
    case: str


def _query() -> Read:
    """Return what reads the queries of lists, each in a line: page, months, day, words, a number of a case."""
    app, environ = flask.Flask("lists"), environ_of(b"GET / HTTP/1.1\r\n\r\n")

    def read(content: bytes) -> Query:
        lines = content.decode("utf-8", "replace").split("\n")
        if len(lines) < len(("page", "month", "day", "words", "case")):
            raise NotTaken
        page, month, day, words, case = lines[:5]
        with app.request_context({**environ, "QUERY_STRING": urlencode({"page": page})}):
            number = listing.page_number()
        shown = months.around(month, _NOW.date(), RULE)
        found = read_month(month)
        return Query(
            number,
            len(shown.shown),
            str(found or ""),
            read_day(day, field="day"),
            words_of(words),
            searchable(words),
            diagnosis_cases.normal(case),
        )

    return read


def asks_for_little(content: bytes, taken: Query) -> None:
    """See that what goes to the database is short, printable, and of the columns' types."""
    day = content.decode("utf-8", "replace").split("\n")[2]
    assert 1 <= taken.page < 10**6
    assert 1 <= taken.shown <= months.SHOWN
    assert re.fullmatch(r"|[0-9]{4}-[0-9]{2}", taken.month)
    assert isinstance(taken.day, FieldFault) or sum(one.isdigit() for one in day) >= len("2026111")
    assert len(taken.words) <= MOST_WORDS
    for word in (*taken.words, taken.text):
        assert len(word) <= 20 * SEARCH_MOST  # NFKC makes one character into 18 at most
        assert "\x00" not in word
        word.encode()
    assert len(taken.case) <= diagnosis_cases.LENGTH + 1
    assert taken.case.isascii()
    assert HORIZON


def _with_any_page(read: Read) -> Read:
    """Plant a fault: a page's number may be as long as one likes."""

    def careless(content: bytes) -> Any:  # noqa: ANN401
        taken: Query = read(content)
        page = content.decode("utf-8", "replace").split("\n")[0]
        return taken._replace(page=int(page)) if page.isdecimal() else taken

    return careless


_QUERIES = (
    *(
        b"\n",
        b"\x00",
        b"\xff",
        b"-1",
        b"9" * 25,
        b"0",
        b"%",
        b"_",
        b"'",
        b"\\",
        b" ",
        b"2026-13",
        b"0000-00",
        b"2026-02-30",
        b"A" * 300,
    ),
    *(one.encode() for one in ("１", "٢", "²", "﷽", "\u202e", "㍿", "ｶﾞ", "が", "\u3000", "〒", "𠮷", "ﬃ")),
)
_PLACES = (
    *(
        b"/",
        b"//",
        b"\\",
        b"/\\",
        b"\t",
        b"\r\n",
        b" ",
        b"\x00",
        b"\xff",
        b"@",
        b":",
        b"?",
        b"#",
        b"[",
        b"]",
        b"%2f",
        b"%5c",
        b"..",
        b"evil.example",
    ),
    *(b"https:", b"javascript:", b"data:", "\u3002".encode(), "／".encode(), "＼".encode(), "\u202e".encode(), "℀".encode()),
)

TARGETS = (
    Target(
        "address to go on to",
        lambda: [b"/applications/260001A?page=2#files", b"/", "/bulletin/notices?q=証明書".encode()],
        _next,
        (NotTaken,),
        stays_on_this_door,
        mutation.text(*_PLACES),
        (trusting_the_text, _anywhere_below),
    ),
    Target(
        "query of a list",
        lambda: ["2\n2026-12\n2026/12/10\n証明書 更新 ＰＤＦ\nabcd-2345".encode(), b"1\n\n20261210\nrenewal\nABCD2345"],
        _query,
        (NotTaken,),
        asks_for_little,
        mutation.text(*_QUERIES),
        (trusting_the_text, _with_any_page),
    ),
)
