"""Reading what a mail server writes about a mail that it could not deliver: a delivery status notification (RFC 3464).

Anybody can write to the address that these come to. So nothing is taken that is not of that form to the letter, everything has a
bound, and nothing here calls itself: the parts are cut apart by their delimiter, and only headers are given to a parser.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from enum import IntEnum

# A notification that brings the whole mail back has its attachment and signature, too.
MOST_OCTETS = 512 * 1024
MOST_PARTS = 10
MOST_RECIPIENTS = 20
# Of a header, or of the fields about one recipient.
_MOST_HEADER = 32 * 1024
_MOST_FIELD = 2_000
# RFC 2046 §5.1.1
_MOST_BOUNDARY = 70
_MOST_REASON = 400
_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})  # the second by RFC 6533
# A comment may follow.
_ACTION = re.compile(r"\s*([A-Za-z]+)(?:\s.*)?", re.ASCII | re.DOTALL)
_STATUS = re.compile(r"\s*([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s.*)?", re.ASCII | re.DOTALL)
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffd]+")
# Enough for the addresses that are looked for: what stands around them (names, comments) is not taken apart.
_ADDRESS = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,190}")
# Where mail servers that put a mail into a mailbox leave the address that it came for; To is the sender's word (RFC 3464 §2).
_ADDRESSED = ("Delivered-To", "X-Original-To", "Envelope-To", "To")


class NotAReport(Exception):
    """What lies there is no notification, or one that can not be read; the text says why, in a few words."""


class Outcome(IntEnum):
    """What became of a mail (RFC 3464 §2.3.3), the worst last. `OTHER`: it was delivered or passed on."""

    OTHER = 0
    DELAYED = 1
    FAILED = 2


# By action, the outcome and the classes of status codes that go with it (RFC 3463 §2). A server that gave up after days of
# trying reports `failed` with the 4.x.x of its last try.
_ACTIONS = {
    "failed": (Outcome.FAILED, "45"),
    "delayed": (Outcome.DELAYED, "4"),
    "delivered": (Outcome.OTHER, "2"),
    "relayed": (Outcome.OTHER, "2"),
    "expanded": (Outcome.OTHER, "2"),
}


@dataclass(frozen=True)
class Report:
    """A notification: the addresses it came to, the number of the mail's envelope, what became of the mail, and why."""

    addressed_to: tuple[str, ...]
    envelope_id: str
    outcome: Outcome
    reason: str


def read(content: bytes) -> Report:
    """Read a notification; raises NotAReport."""
    if len(content) > MOST_OCTETS:
        raise NotAReport("too large")
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    if "\r" in text:  # half of the readers take it for a line's end
        raise NotAReport("half a line end")
    head, body = _entity(text.split("\n"))
    if head.get_content_type() != "multipart/report" or _parameter(head, "report-type").lower() != "delivery-status":
        raise NotAReport("not a delivery status notification")
    boundary = _parameter(head, "boundary").rstrip()
    if not 0 < len(boundary) <= _MOST_BOUNDARY:
        raise NotAReport("no boundary")
    parts = (_entity(part) for part in _parts(body, boundary))
    statuses = [(part, lines) for part, lines in parts if part.get_content_type() in _STATUS_TYPES]
    if len(statuses) != 1:
        raise NotAReport(f"{len(statuses)} parts with a status")
    [(part, lines)] = statuses
    if (part.get("Content-Transfer-Encoding") or "7bit").strip().lower() not in {"7bit", "8bit"}:
        raise NotAReport("an encoded status")
    return _judged(head, [_fields(group) for group in _groups(lines)])


def _judged(head: Message, groups: list[Message]) -> Report:
    """Return what the groups say: the first is about the mail, each other one about a recipient (RFC 3464 §2.1)."""
    if not groups or "Reporting-MTA" not in groups[0]:
        raise NotAReport("no Reporting-MTA")
    if len(groups) == 1:
        raise NotAReport("about no recipient")
    outcome, reason = max((_fate(group) for group in groups[1:]), key=lambda fate: fate[0])
    addressed = [str(value) for name in _ADDRESSED for value in head.get_all(name, ())]
    addresses = tuple(address for value in addressed for address in _ADDRESS.findall(value))
    return Report(addresses, _text(groups[0], "Original-Envelope-Id"), outcome, reason)


def _fate(recipient: Message) -> tuple[Outcome, str]:
    if "Final-Recipient" not in recipient:
        raise NotAReport("no Final-Recipient")
    action = _ACTION.fullmatch(str(recipient.get("Action", "")))
    status = _STATUS.fullmatch(str(recipient.get("Status", "")))
    if action is None or action[1].lower() not in _ACTIONS or status is None:
        raise NotAReport("no Action or Status")
    outcome, classes = _ACTIONS[action[1].lower()]
    if status[1][0] not in classes:
        raise NotAReport(f"{action[1].lower()} with {status[1]}")
    told = _text(recipient, "Diagnostic-Code").partition(";")[2].strip()
    return outcome, f"{status[1]} {told}".strip()[:_MOST_REASON]


def _entity(lines: list[str]) -> tuple[Message, list[str]]:
    """Return an entity's header and the lines of its body."""
    end = lines.index("") if "" in lines else len(lines)
    return _header(lines[:end]), lines[end + 1 :]


def _header(lines: list[str]) -> Message:
    if sum(map(len, lines)) > _MOST_HEADER:
        raise NotAReport("a header too large")
    # Some mail servers leave the envelope's sender in the first line.
    header = HeaderParser().parsestr("\n".join(lines[1:] if lines and lines[0].startswith("From ") else lines))
    kinds = header.get_all("Content-Type", [])
    if len(kinds) > 1 or any(not str(kind).isascii() or len(str(kind)) > _MOST_FIELD for kind in kinds):
        raise NotAReport("a strange Content-Type")
    return header


def _parameter(header: Message, name: str) -> str:
    value = header.get_param(name)
    return value if isinstance(value, str) else ""


def _parts(body: list[str], boundary: str) -> list[list[str]]:
    """Cut a body into its parts (RFC 2046 §5.1.1); what stands before the first and after the last is passed over."""
    parts: list[list[str]] = []
    for line in body:
        mark = line.rstrip(" \t")
        if mark == f"--{boundary}--":
            return parts
        if mark == f"--{boundary}":
            parts.append([])
            if len(parts) > MOST_PARTS:
                raise NotAReport("too many parts")
        elif parts:
            parts[-1].append(line)
    raise NotAReport("cut off")


def _groups(lines: list[str]) -> Iterator[list[str]]:
    """Yield the groups of fields, which empty lines part."""
    group: list[str] = []
    count = 0
    for line in (*lines, ""):
        if line.strip(" \t"):
            group.append(line)
        elif group:
            count += 1
            if count > MOST_RECIPIENTS + 1:
                raise NotAReport("too many recipients")
            yield group
            group = []


def _fields(group: list[str]) -> Message:
    fields = _header(group)
    if fields.defects or fields.get_payload():
        raise NotAReport("a line that is no field")
    names = [name.lower() for name in fields]
    if len(set(names)) < len(names):
        raise NotAReport("a field twice")
    return fields


def _text(fields: Message, name: str) -> str:
    """Return a field on one line, without what does not belong into a log or a page; empty when it is absent."""
    return _SPACE.sub(" ", str(fields.get(name, ""))[:_MOST_FIELD]).strip()
