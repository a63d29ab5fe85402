"""The feed: Atom (RFC 4287), one for each language."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET  # only written here, never read

from registry.bulletin import CATEGORIES, Notice

MEDIA_TYPE = "application/atom+xml; charset=utf-8"
NAMESPACE = "http://www.w3.org/2005/Atom"
# RFC 4287 §4.1.1: a feed always says when it was updated; one without entries says this.
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Heading:
    """What a feed says of itself. Addresses are absolute; `updated` is when anything in it changed last."""

    title: str
    author: str
    address: str
    page: str
    language: str
    updated: datetime | None


@dataclass(frozen=True)
class Item:
    """A notice in the feed's language: its absolute address, its title, its body as HTML with absolute addresses."""

    notice: Notice
    address: str
    title: str
    html: str
    category: str


def write(heading: Heading, items: Sequence[Item]) -> str:
    """Return the feed as XML."""
    feed = ET.Element("feed", {"xmlns": NAMESPACE, "xml:lang": heading.language})
    _add(feed, "id", heading.address)
    _add(feed, "title", heading.title)
    _add(feed, "updated", _instant(heading.updated or BEGINNING))
    _add(ET.SubElement(feed, "author"), "name", heading.author)
    ET.SubElement(feed, "link", {"rel": "self", "type": "application/atom+xml", "href": heading.address})
    ET.SubElement(feed, "link", {"rel": "alternate", "type": "text/html", "hreflang": heading.language, "href": heading.page})
    for item in items:
        _add_entry(feed, item, heading.language)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, encoding="unicode") + "\n"


def _add_entry(feed: ET.Element, item: Item, language: str) -> None:
    notice = item.notice
    entry = ET.SubElement(feed, "entry")
    # §4.2.6: for ever, wherever the page moves; each language is an entry of its own.
    _add(entry, "id", uuid.uuid5(uuid.UUID(notice.uid), language).urn)
    _add(entry, "title", item.title)
    _add(entry, "updated", _instant(notice.updated_at))
    _add(entry, "published", _instant(notice.visible_from or notice.changed_at))
    ET.SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "hreflang": language, "href": item.address})
    if notice.content.category in CATEGORIES:
        ET.SubElement(entry, "category", {"term": notice.content.category, "label": item.category})
    _add(entry, "content", item.html).set("type", "html")


def _add(parent: ET.Element, name: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, name)
    element.text = str(text)  # Markup would escape what the writer escapes
    return element


def _instant(instant: datetime) -> str:
    # §3.3: an RFC 3339 date-time, with a capital T and Z.
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
