"""What a notice says, and the check of the form that it is typed into."""

import unicodedata
from dataclasses import dataclass
from datetime import date

from registry.bulletin.categories import CATEGORIES
from registry.calendar import read_start
from registry.faults import Faults, FieldFault, Typed, first
from registry.japanese import free_text, half_width

LONGEST_TITLE = 120
LONGEST_BODY = 10_000
# Nobody searches for more words at once.
MOST_WORDS = 5
_TEXTS = {"title_ja": LONGEST_TITLE, "title_en": LONGEST_TITLE, "body_ja": LONGEST_BODY, "body_en": LONGEST_BODY}


@dataclass(frozen=True)
class Content:
    """A notice as it is written: both languages, and the days on which it is to be seen.

    `publish_from` is None for "as soon as it is published", `publish_until` (the last day) for "until it is withdrawn".
    """

    category: str
    title_ja: str
    title_en: str
    body_ja: str
    body_en: str
    publish_from: date | None = None
    publish_until: date | None = None
    is_pinned: bool = False
    is_urgent: bool = False

    @property
    def searchable_text(self) -> str:
        """All its words, as `words_of` writes what is searched for."""
        return _plain(f"{self.title_ja}\n{self.title_en}\n{self.body_ja}\n{self.body_en}")


def check_content(typed: Typed, today: date, *, began: date | None = None) -> Content | Faults:
    """Read the form of a notice; of one that readers see already, `began` is its first day, which stays.

    Faults: required, character, too-long, category-unknown, those of a typed date, date-order, and one-line for a
    title of several lines.
    """
    texts = {name: free_text(name, first(typed, name), most=most, required=True) for name, most in _TEXTS.items()}
    begin = began or _day("publish_from", typed, today)
    end = _day("publish_until", typed, today)
    found = [value for value in (*texts.values(), begin, end) if isinstance(value, FieldFault)]
    found += [FieldFault(name, "one-line") for name in ("title_ja", "title_en") if "\n" in str(texts[name])]
    category = first(typed, "category")
    if category not in CATEGORIES:
        found.insert(0, FieldFault("category", "category-unknown"))
    if isinstance(begin, date) and isinstance(end, date) and end < begin:
        found.append(FieldFault("publish_until", "date-order"))
    if found:
        return Faults(found)
    return Content(
        category=category,
        **{name: str(text) for name, text in texts.items()},
        publish_from=begin if isinstance(begin, date) else None,
        publish_until=end if isinstance(end, date) else None,
        is_pinned=bool(first(typed, "is_pinned")),
        is_urgent=bool(first(typed, "is_urgent")),
    )


def content_form(content: Content) -> dict[str, str]:
    """Return a content as its form has it when nobody has typed yet."""
    return {
        "category": content.category,
        **{name: getattr(content, name) for name in _TEXTS},
        "publish_from": content.publish_from.isoformat() if content.publish_from else "",
        "publish_until": content.publish_until.isoformat() if content.publish_until else "",
        "is_pinned": "1" if content.is_pinned else "",
        "is_urgent": "1" if content.is_urgent else "",
    }


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a search as `Content.searchable_text` writes them; a text is found when it holds them all."""
    printable = "".join(character if character.isprintable() else " " for character in text[:LONGEST_TITLE])
    return tuple(_plain(printable).split()[:MOST_WORDS])


def _day(field: str, typed: Typed, today: date) -> date | FieldFault | None:
    text = first(typed, field)
    return read_start(text, today, field=field) if half_width(text) else None


def _plain(text: str) -> str:
    # Searching only: full width and half width, capitals and small letters, ㈱ and (株) are the same here.
    return unicodedata.normalize("NFKC", text).casefold()
