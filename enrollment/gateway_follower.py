"""The gateway's side of the positive list: what is taken, what is refused, and the nginx configuration that follows from it.

Whatever comes is believed only if it leads to the list that a newer, signed head names. A head that is older than the last
seen is refused, so nobody can bring back a certificate that was ended; without news the list runs out, and nobody passes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from enrollment import gateway_head
from enrollment.gateway_head import Fetch, Head, ListRefused
from kernel.audit import VerifierKey
from kernel.audit.notes import CheckSignature

# What the clocks of two machines may differ by.
SKEW = timedelta(minutes=5)
# What a head lives at most: the proxy is told of each span of its life by a line.
_LONGEST_LIFE = timedelta(days=14)
# Deltas that are walked back before a whole list is fetched instead.
_FARTHEST = 500
# nginx compares its own clock with the beginnings of such spans.
_SPAN = timedelta(minutes=10)
_LOGGED_SHA256 = 12


@dataclass(frozen=True)
class Held:
    """The last list that was taken: its signed head, what it says, its lines."""

    note: str
    head: Head
    lines: frozenset[bytes]


@dataclass(frozen=True)
class Follower:
    """Takes lists that one key signed; `check` raises when that key did not sign a text."""

    key: VerifierKey
    check: CheckSignature

    def take(self, fetch: Fetch, held: Held | None, now: datetime) -> Held:
        """Fetch the newest list and return it; the one that is held when nothing is newer.

        Raises ListRefused, and OSError when something can not be fetched.
        """
        note = _text(fetch("head"))
        head = gateway_head.opened(note, self.check, self.key)
        _require_timely(head, now)
        if held is not None and note == held.note:
            return held
        _require_newer(head, held)
        if held is not None and head.sha256 == held.head.sha256:
            return Held(note, head, held.lines)
        return Held(note, head, _lines(fetch, head, held))

    def stored(self, note: bytes, content: bytes) -> Held:
        """Return what was stored of a list, if it is whole; raises ListRefused."""
        text = _text(note)
        head = gateway_head.opened(text, self.check, self.key)
        return Held(text, head, gateway_head.lines_of(content, head))


def _require_timely(head: Head, now: datetime) -> None:
    if head.this_update > now + SKEW:
        raise ListRefused(f"head {head.number} is from the future: {head.this_update}")
    if head.next_update <= now:
        raise ListRefused(f"head {head.number} is over since {head.next_update}")
    if head.next_update > now + _LONGEST_LIFE:
        raise ListRefused(f"head {head.number} would live too long: {head.next_update}")


def _require_newer(head: Head, held: Held | None) -> None:
    if held is None:
        return
    if head.number <= held.head.number or head.this_update < held.head.this_update:
        raise ListRefused(f"head {head.number} is older than head {held.head.number}, which was seen before")
    if head.list_number < held.head.list_number:
        raise ListRefused(f"head {head.number} goes back behind list {held.head.list_number}")


def _lines(fetch: Fetch, head: Head, held: Held | None) -> frozenset[bytes]:
    """Return a head's list, by what changed since the one that is held if that leads there, else from a whole list."""
    if held is not None and held.head.list_number >= head.snapshot:
        try:
            return _walked(fetch, head, held.head.list_number, held.lines)
        except (ListRefused, OSError):
            pass  # a gap, or something that was changed on the way: the whole list may be better
    content = fetch(f"{head.snapshot}.list")
    if head.snapshot == head.list_number:
        return gateway_head.lines_of(content, head)
    return _walked(fetch, head, head.snapshot, frozenset(content.split(b"\n")[:-1]))


def _walked(fetch: Fetch, head: Head, number: int, lines: frozenset[bytes]) -> frozenset[bytes]:
    """Apply the deltas between a list and the head's; whatever they say, the result must be the list that was signed."""
    changes: list[tuple[list[bytes], list[bytes]]] = []
    at = head.list_number
    while at != number:
        if at < number or len(changes) > _FARTHEST:
            raise ListRefused(f"no deltas lead from list {number} to {head.list_number}")
        before, gone, came = gateway_head.read_delta(fetch(f"{at}.delta"))
        if before >= at:
            raise ListRefused(f"delta {at} leads nowhere")
        changes.append((gone, came))
        at = before
    found = set(lines)
    for gone, came in reversed(changes):
        found.difference_update(gone)
        found.update(came)
    return gateway_head.lines_of(gateway_head.listing(found), head)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ListRefused("the head can not be read") from None


def nginx(held: Held | None, now: datetime) -> str:
    """Return what nginx includes: `$tegata_good` is 1 for a certificate that is listed, as long as the list is good.

    Time is judged by nginx itself, so that nobody passes when whoever follows has died.
    """
    until = held.head.next_update if held else now
    shown = f"list {held.head.list_number} of {held.head.this_update}, good until {until}" if held else "no list"
    listed = (f"    {line[65:].decode()} 1;\n" for line in sorted(held.lines)) if held else ()
    spans = (f'    "{span}" 1;\n' for span in _spans(now, until))
    return "".join(
        [
            f"# Written by `tegata gateway follow`: {shown}.\n",
            *_map("$ssl_client_fingerprint", "$tegata_listed", listed),
            *_map(
                "$time_iso8601",
                "$tegata_span",
                ('    "~^(?<tegata_ten>.{15}).{4}(?<tegata_zone>.*)$" "$tegata_ten$tegata_zone";\n',),
            ),
            *_map("$tegata_span", "$tegata_fresh", spans),
            *_map('"$ssl_client_verify $tegata_listed $tegata_fresh"', "$tegata_good", ('    "SUCCESS 1 1" 1;\n',)),
        ]
    )


def _map(source: str, variable: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"map {source} {variable} {{\n    default 0;\n"
    yield from lines
    yield "}\n"


def _spans(now: datetime, until: datetime) -> Iterator[str]:
    """Yield the spans of ten minutes that end before an instant, as this machine's nginx writes them: 2026-11-22T21:3+09:00."""
    minutes = now.minute - now.minute % 10
    at = now.replace(minute=minutes, second=0, microsecond=0) - _SPAN  # for a clock that is a little behind
    while at + _SPAN <= until:
        local = at.astimezone().isoformat(timespec="seconds")
        yield local[:15] + local[19:]
        at += _SPAN


def stored_files(output: Path) -> tuple[Path, Path]:
    """Return where the last head and list are kept, beside what was written from them."""
    return output.with_name(f"{output.name}.head"), output.with_name(f"{output.name}.list")
