"""A mail's state in words, and its text by languages, for both doors."""

import re
from collections.abc import Mapping

from kernel.outbox import MailState, MailView
from webui.texts import mark
from webui.words import Label

STATES: Mapping[MailState, Label] = {
    MailState.FAILED: Label(mark("送信できず"), "bad"),
    MailState.WAITING: Label(mark("送信待ち"), "info"),
    MailState.SENT: Label(mark("送信済み"), "good"),
}
_RETRYING = Label(mark("再送待ち"), "warn")
_LATE = Label(mark("遅延の通知あり"), "warn")
# Between the Japanese part of a mail and the English one below it.
_BORDER = re.compile(r"^-{40,}$\n?", re.MULTILINE)


def label_of(mail: MailView) -> Label:
    """Return a mail's state in words; one that failed once and is tried again says so, and one that was told to be late."""
    if mail.state is MailState.WAITING and mail.last_error:
        return _RETRYING
    if mail.state is MailState.SENT and mail.delayed_at:
        return _LATE
    return STATES[mail.state]


def parts_of(body: str) -> tuple[tuple[str, str], ...]:
    """Return a mail's text as pairs of language and part: readers are told where the language changes (WCAG 3.1.2)."""
    japanese, *english = _BORDER.split(body, maxsplit=1)
    return (("ja", japanese.strip("\n")), *(("en", part.strip("\n")) for part in english))
