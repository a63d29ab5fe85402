"""The reader of what mail servers write about mails that they could not deliver; the library's whole parser judges it."""

import re
from email import message_from_string
from email.message import Message

from server import delivery_reports
from server.delivery_reports import NotAReport, Outcome, Report
from tests.fuzz import mutation
from tests.fuzz.trial import Read, Target, trusting_the_text
from tests.server.returned import BACK, GOOD

_SEEDS = tuple(GOOD.values())
_PIECES = (
    *(b"\n", b"\r\n", b"\r", b"\n\n", b" ", b"\t", b":", b";", b"=", b'"', b"(", b")", b"<", b">", b",", b"@", b"--", b"\x00"),
    *(b"\x0b", b"\x0c", b"\x85", b"\xff", "\u2028".encode(), b"=?utf-8?B?", b"?=", b"*0*=", b"*=utf-8''%"),
    *(b"Action: failed\n", b"Action: delayed\n", b"Status: 5.1.1\n", b"Status: 2.0.0\n", b"failed", b"relayed", b"4.4.1", b"("),
    *(b"Content-Type: ", b"multipart/report", b"report-type", b"message/delivery-status\n", b"boundary=", b"From x\n"),
    *(
        b"Final-Recipient: rfc822; x@y.example\n",
        b"Reporting-MTA: dns; x\n",
        b"\n--4Zx/mail.example.jp\n",
        b"--4Zx/mail.example.jp--",
    ),
    *(b"x" * 3_000, b"(" * 2_000, b";" * 2_000, f"To: {BACK}\n".encode()),
)
_WORST = {"failed": Outcome.FAILED, "delayed": Outcome.DELAYED}


def says_what_became_of_it(content: bytes, taken: Report) -> None:
    """See that the library finds the same outcome among the recipients, and that what is shown is a short line."""
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    parts = [part for part in message_from_string(text).walk() if part.get_content_type().endswith("delivery-status")]
    actions = [str(group["Action"]) for part in parts for group in _groups(part) if group["Final-Recipient"]]
    words = [(re.split(r"[\s\x00-\x1f]+", action.strip()) or [""])[0].lower() for action in actions]
    assert taken.outcome in {_WORST.get(word, Outcome.OTHER) for word in words}
    assert len(taken.reason) <= 400
    assert taken.reason.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f]", taken.reason)
    assert all(len(address) <= 255 and " " not in address for address in taken.addressed_to)


def _groups(part: Message) -> list[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        return [group for group in payload if isinstance(group, Message)]
    return [message_from_string(group) for group in re.split(r"\n\s*\n", str(payload))]


def _whatever_fails(read: Read) -> Read:
    """Plant a fault: what has the word in it is a failure."""

    def careless(content: bytes) -> Report:
        try:
            taken: Report = read(content)
        except NotAReport:
            if b"failed" not in content:
                raise
            return Report((), "", Outcome.FAILED, "")
        return taken

    return careless


TARGETS = (
    Target(
        "mail that came back",
        lambda: _SEEDS,
        lambda: delivery_reports.read,
        (NotAReport,),
        says_what_became_of_it,
        mutation.text(*_PIECES),
        (trusting_the_text, _whatever_fails),
    ),
)
