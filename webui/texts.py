"""Languages: Japanese is written in the code and the templates, English stands in the catalogues beside it.

The catalogues (`translations/en/LC_MESSAGES/*.po`) are read as they are when a first app starts; nothing is compiled.
`shared.po` serves both doors, `portal.po` and `center.po` one each. A text that code passes on is wrapped in `mark`,
so that extraction finds it; it is translated where it is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Literal

import flask
from markupsafe import Markup

from enrollment import catalogues
from kernel.clock import TOKYO

Language = Literal["ja", "en"]
LANGUAGES: dict[Language, str] = {"ja": "日本語", "en": "English"}
WEEKDAYS: dict[Language, tuple[str, ...]] = {
    "ja": tuple("月火水木金土日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
FOLDER = Path(__file__).parent / "translations"


def mark(text: str) -> str:
    """Return the text as it is: it is translated later, where it is shown."""
    return text


@dataclass(frozen=True)
class Catalogue:
    """English texts by the Japanese ones; plurals by the singular."""

    singles: Mapping[str, str]
    plurals: Mapping[str, tuple[str, str]]


@cache
def read_catalogue(*names: str) -> Catalogue:
    """Read and join the named English catalogues, once in a process."""
    singles: dict[str, str] = {}
    plurals: dict[str, tuple[str, str]] = {}
    for name in names:
        for message in catalogues.messages(FOLDER / "en" / "LC_MESSAGES" / f"{name}.po"):
            if "msgid_plural" in message:
                plurals[message["msgid"]] = (message["msgstr[0]"], message["msgstr[1]"])
            else:
                singles[message["msgid"]] = message["msgstr"]
    return Catalogue(singles, plurals)


def language() -> Language:
    """Return the present request's language."""
    return "en" if flask.g.get("language") == "en" else "ja"


def gettext(text: str) -> str:
    """Return a text in the present request's language."""
    if language() == "ja":
        return text
    return _catalogue().singles.get(text, text)


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return a text with a number in it; Japanese has one form."""
    if language() == "ja":
        return singular
    return _catalogue().plurals.get(singular, (singular, plural))[0 if number == 1 else 1]


def say(text: str, /, **facts: object) -> str:
    """Return a text in the present request's language with facts filled in (`%(name)s`)."""
    return gettext(text) % facts if facts else gettext(text)


def html(text: str, /, **facts: object) -> Markup:
    """Return a text as templates have it (`_`): itself it is ours and stays as it is, facts are escaped."""
    translated = Markup(gettext(text))  # noqa: S704 (ours)
    return translated % facts if facts or "%" in translated else translated


def counted_html(singular: str, plural: str, number: int, /, **facts: object) -> Markup:
    """Return a text with a number in it (`%(num)d`) as templates have it (`ngettext`)."""
    return Markup(ngettext(singular, plural, number)) % {"num": number, **facts}  # noqa: S704 (ours)


def show_day(day: date | None) -> str:
    """Write a day: 2026/12/01, in English 2026-12-01; a dash for none."""
    if day is None:
        return "—"
    return day.strftime("%Y/%m/%d" if language() == "ja" else "%Y-%m-%d")


def show_weekday(day: date) -> str:
    """Write a day of a month with its day of the week: 12/1(火), in English Tue 1."""
    name = WEEKDAYS[language()][day.weekday()]
    return f"{day.month}/{day.day}({name})" if language() == "ja" else f"{name} {day.day}"


def show_month(day: date) -> str:
    """Write a month: 2026年12月, in English 2026-12."""
    return f"{day.year}年{day.month}月" if language() == "ja" else day.strftime("%Y-%m")


def show_instant(instant: datetime | None) -> str:
    """Write an instant in Tokyo's time to the minute; a dash for none."""
    if instant is None:
        return "—"
    local = instant.astimezone(TOKYO)
    return local.strftime("%Y/%m/%d %H:%M" if language() == "ja" else "%Y-%m-%d %H:%M")


def _catalogue() -> Catalogue:
    catalogue: Catalogue = flask.current_app.extensions["webui-catalogue"]
    return catalogue
