"""The page's languages: Japanese stands in code and templates, English in the catalogue beside them.

The language is part of the address (`?lang=en`), so that a link can carry it and nothing has to be remembered.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import flask

from enrollment import catalogues

Language = Literal["ja", "en"]
CATALOGUE = Path(__file__).parent / "translations" / "en" / "LC_MESSAGES" / "page.po"


def mark(text: str) -> str:
    """Return the text as it is: it is translated where it is shown."""
    return text


def read_catalogue() -> Mapping[str, str]:
    """Return the English texts by the Japanese ones."""
    return {message["msgid"]: message["msgstr"] for message in catalogues.messages(CATALOGUE) if "msgstr" in message}


ENGLISH = read_catalogue()


def language() -> Language:
    """Return the present request's language."""
    return "en" if flask.request.args.get("lang") == "en" else "ja"


def gettext(text: str) -> str:
    """Return a text in the present request's language."""
    return ENGLISH.get(text, text) if language() == "en" else text


def ngettext(singular: str, _plural: str, _number: int) -> str:
    """Return a text with a number in it; the page has none whose form depends on it."""
    return gettext(singular)
