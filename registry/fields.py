"""欄: the kinds of fields that change items are made of, each with its check and with how its value is told.

What is stored is always a text, normalised: a telephone number is digits, a day 2026-12-10, a choice its code, a count
its digits; an empty text is "none". The edge has the sentences for faults; labels of fields and choices stand here in
both languages, because pages, mails and documents name them alike.

Fault codes, besides those of `japanese` and `applicants`: option-unknown, postal-code, number-digits, number-most (with
`most`), latin, code-form (with `shape`), code-length (with
`shape`, `least`, `most`), choice-none, date-form, date-impossible.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from registry.applicants import KANA_MOST, check_phone
from registry.calendar import read_day
from registry.faults import FieldFault
from registry.japanese import digits, free_text, full_width_line, half_width, katakana_line

Language = Literal["ja", "en"]
# How a page asks for a value.
Widget = Literal["line", "area", "choice"]
_SEVEN_DIGITS = re.compile(r"[0-9]{7}")
_LATIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 .,&'()/+:-]*[A-Za-z0-9.)])?")


class Kind(Protocol):
    """A kind of field."""

    @property
    def widget(self) -> Widget:
        """How a page asks for it."""
        ...

    def check(self, field: str, text: str) -> str | FieldFault:
        """Return what was typed (never empty) as it will be stored, or its fault."""
        ...

    def tell(self, value: str, language: Language) -> str:
        """Return a stored value (never empty) in words."""
        ...


@dataclass(frozen=True)
class Option:
    """A choice: its code, and its words in both languages."""

    code: str
    ja: str
    en: str


@dataclass(frozen=True)
class Choice:
    """One of a few options."""

    options: tuple[Option, ...]
    widget: Widget = "choice"

    def check(self, field: str, text: str) -> str | FieldFault:
        """Take an option's code."""
        return text if any(text == option.code for option in self.options) else FieldFault(field, "option-unknown")

    def tell(self, value: str, language: Language) -> str:
        """Return the option's words; what is no option any more is told as it stands."""
        option = next((option for option in self.options if option.code == value), Option(value, value, value))
        return option.en if language == "en" else option.ja


@dataclass(frozen=True)
class Text:
    """A text whose check stands elsewhere. `most` is how long the page lets it become."""

    checked: Callable[[str, str], str | FieldFault]
    most: int = 60
    widget: Widget = "line"
    told: Callable[[str, Language], str] = lambda value, _: value

    def check(self, field: str, text: str) -> str | FieldFault:
        """Check and normalise."""
        return self.checked(field, text)

    def tell(self, value: str, language: Language) -> str:
        """Return the text, as it is usually written."""
        return self.told(value, language)


@dataclass(frozen=True)
class Owned:
    """A value of another list of the same office: the code of a user, the number of a line."""

    item: str
    field: str
    widget: Widget = "choice"

    def check(self, field: str, text: str) -> str | FieldFault:
        """Take any code, chosen or typed: which values there are is known to whoever knows the office."""
        del field
        return half_width(text).upper()

    def tell(self, value: str, language: Language) -> str:
        """Return the value."""
        del language
        return value


@dataclass(frozen=True)
class Field:
    """A field of a form or of a list's rows.

    `column` says where a form's value lives: `company.name`, `office.fax`, `contract.billing_name`; a field of a
    company counts for all its offices. `when_added` is asked only for new rows, `is_shown` never asked. `hint_ja` and
    `hint_en` say what is wanted. A day lies ahead unless it `may_be_past`, by a year at most.
    """

    code: str
    ja: str
    en: str
    kind: Kind
    required: bool = True
    column: str = ""
    when_added: bool = False
    is_shown: bool = False
    may_be_past: bool = False
    hint_ja: str = ""
    hint_en: str = ""

    def label(self, language: Language) -> str:
        """Return the field's name."""
        return self.en if language == "en" else self.ja

    def hint(self, language: Language) -> str:
        """Return what is wanted, if that needs words."""
        return self.hint_en if language == "en" else self.hint_ja

    def tell(self, value: str, language: Language) -> str:
        """Return a stored value in words; nothing for none."""
        return self.kind.tell(value, language) if value else ""

    def check(self, name: str, text: str) -> str | FieldFault:
        """Check what was typed under a name of a page."""
        if not text.strip():
            is_chosen = self.kind.widget == "choice"
            return FieldFault(name, "choice-none" if is_chosen else "required") if self.required else ""
        return self.kind.check(name, text)


def wide(most: int) -> Text:
    """Return a line in full width (全角)."""
    return Text(lambda field, text: full_width_line(field, text, most=most, required=True), most)


def words(most: int = 400) -> Text:
    """Return a text of several lines."""
    return Text(lambda field, text: free_text(field, text, most=most, required=True), most, "area")


def code(pattern: str, shape: str, most: int, *, lengths: tuple[int, int] | None = None) -> Text:
    """Return a code in half width and capitals; `shape` shows what it looks like, `lengths` are its least and most."""
    wanted = re.compile(pattern)

    def check(field: str, text: str) -> str | FieldFault:
        value = half_width(text).upper()
        if wanted.fullmatch(value):
            return value
        if lengths:
            return FieldFault(field, "code-length", {"shape": shape, "least": lengths[0], "most": lengths[1]})
        return FieldFault(field, "code-form", {"shape": shape})

    return Text(check, most)


def number(most: int) -> Text:
    """Return a count from 0 on."""

    def check(field: str, text: str) -> str | FieldFault:
        value = half_width(text)
        if not (value.isascii() and value.isdecimal()):
            return FieldFault(field, "number-digits")
        value = value.lstrip("0") or "0"
        too_many = len(value) > len(str(most)) or int(value) > most
        return FieldFault(field, "number-most", {"most": most}) if too_many else value

    return Text(check, len(str(most)) + 2)


def latin(most: int) -> Text:
    """Return a name in Latin letters, as it may stand in a certificate (RFC 5280 appendix A.1: 64 characters)."""

    def check(field: str, text: str) -> str | FieldFault:
        value = half_width(text)
        if len(value) > most:
            return FieldFault(field, "too-long", {"most": most})
        return value if _LATIN.fullmatch(value) else FieldFault(field, "latin")

    return Text(check, most)


def _postal_code(field: str, text: str) -> str | FieldFault:
    value = digits(text).removeprefix("〒")
    return value if _SEVEN_DIGITS.fullmatch(value) else FieldFault(field, "postal-code")


def _day(field: str, text: str) -> str | FieldFault:
    read = read_day(text, field=field)
    return read if isinstance(read, FieldFault) else read.isoformat()


def _flag(yes: tuple[str, str], no: tuple[str, str]) -> Choice:
    return Choice((Option("yes", *yes), Option("no", *no)))


KANA = Text(lambda field, text: katakana_line(field, text, most=KANA_MOST), KANA_MOST)
PHONE = Text(lambda field, text: check_phone(field, text, required=True), 20)
POSTAL_CODE = Text(_postal_code, 10, told=lambda value, _: f"〒{value[:3]}-{value[3:]}")
DAY = Text(_day, 20, told=lambda value, language: value if language == "en" else value.replace("-", "/"))
HAS = _flag(("あり", "Yes"), ("なし", "No"))
WANTED = _flag(("要", "Wanted"), ("不要", "Not wanted"))
NAME, ADDRESS, SHORT = wide(100), wide(200), wide(40)
SYSTEM = Choice((Option("sea", "海上", "Sea"), Option("air", "航空", "Air"), Option("shared", "共用", "Shared")))
