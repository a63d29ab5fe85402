"""A mail's state in words, for both doors."""

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


def label_of(mail: MailView) -> Label:
    """Return a mail's state in words; one that failed once and is tried again says so."""
    if mail.state is MailState.WAITING and mail.last_error:
        return _RETRYING
    return STATES[mail.state]
