"""Typed texts as HTML: a small markup that can express nothing dangerous, because everything that it does not know is text.

    ## heading, ### smaller heading      - item      1. item      four spaces: a command
    [text](address)   https://…   **strong**   `code`            an empty line ends a block

Addresses are https, http, or paths of our own door ("/bulletin/…"); any other stays the text that it is.
"""

import re
from collections.abc import Callable, Iterator

from markupsafe import Markup, escape

# What an address that stands in a text becomes in the page; paths may need a door or a language.
Link = Callable[[str], str]

_ADDRESS = r"(?:https?://[^\s<>\"'()\[\]「」、。)]+|/(?![/\\])[^\s<>\"'()\[\]\\]*)"
_INLINE = re.compile(
    rf"\[(?P<text>[^\[\]\n]+)\]\((?P<target>{_ADDRESS})\)"
    r"|\*\*(?P<strong>[^*\n]+)\*\*"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?P<bare>https?://[^\s<>\"'()\[\]「」、。)]*[^\s<>\"'()\[\]「」、。).,;:!?])"
)
_HEADING = re.compile(r"(?P<marks>#{1,3}) +(?P<text>.+)")
_ITEM = re.compile(r"(?:(?P<bullet>[-*・])|(?P<number>[0-9]{1,2}[.)])) *(?P<text>(?<=[ ・]).+)")
_COMMAND = "    "


def as_typed(address: str) -> str:
    """Return an address as it is."""
    return address


def render(text: str, link: Link = as_typed, *, top: int = 2) -> Markup:
    """Return a text as HTML blocks; headings begin at the level `top` and skip none."""
    return Markup("\n").join(_blocks(text, link, top))


def _blocks(text: str, link: Link, top: int) -> Iterator[Markup]:
    level = top - 1
    for block in _groups(text):
        first = block[0]
        if heading := _HEADING.fullmatch(first):
            level = min(max(top, len(heading["marks"]) + top - 2), level + 1)
            yield Markup("<h{level}>{text}</h{level}>").format(level=level, text=_inline(heading["text"], link))
        elif first.startswith(_COMMAND):
            lines = "\n".join(line.removeprefix(_COMMAND) for line in block)
            yield Markup('<pre class="command">{}</pre>').format(lines)
        elif item := _ITEM.fullmatch(first):
            items = Markup("").join(Markup("<li>{}</li>").format(_inline(one, link)) for one in _items(block))
            yield Markup("<ul>{}</ul>" if item["bullet"] else _ordered(item["number"])).format(items)  # noqa: S704 (ours)
        else:
            yield Markup("<p>{}</p>").format(Markup("<br>").join(_inline(line, link) for line in block))


def _groups(text: str) -> Iterator[list[str]]:
    """Yield the lines of each block: of one kind, without an empty line between them."""
    group: list[str] = []
    for line in [*text.replace("\r\n", "\n").split("\n"), ""]:
        if group and (not line.strip() or _kind(line, group) != _kind(group[0], group) or _kind(line, group) == "heading"):
            yield group
            group = []
        if line.strip():
            group.append(line)


def _kind(line: str, group: list[str]) -> str:
    if _HEADING.fullmatch(line):
        return "heading"
    if item := _ITEM.fullmatch(line):
        return "bullet" if item["bullet"] else "number"
    if group and _ITEM.fullmatch(group[0]) and line.startswith("  "):
        return _kind(group[0], [])  # goes on with the item above
    return "command" if line.startswith(_COMMAND) else "text"


def _ordered(number: str) -> str:
    """Return the frame of a numbered list; one that a command has interrupted goes on with its number."""
    start = int(number[:-1])
    return "<ol>{}</ol>" if start == 1 else f'<ol start="{start}">{{}}</ol>'


def _items(lines: list[str]) -> Iterator[str]:
    item = ""
    for line in lines:
        if (begun := _ITEM.fullmatch(line)) is None:
            item += f" {line.strip()}"
            continue
        if item:
            yield item
        item = begun["text"]
    yield item


def _inline(text: str, link: Link) -> Markup:
    parts, at = [], 0
    for found in _INLINE.finditer(text):
        parts += [escape(text[at : found.start()]), _piece(found, link)]
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])


def _piece(found: re.Match[str], link: Link) -> Markup:
    if found["strong"]:
        return Markup("<strong>{}</strong>").format(found["strong"])
    if found["code"]:
        return Markup("<code>{}</code>").format(found["code"])
    target = found["target"] or found["bare"]
    return Markup('<a href="{}">{}</a>').format(link(target), found["text"] or target)
