"""What the terminals door tells a terminal of itself (`GET /api/v1/terminals/self`)."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from enrollment.client import connection
from enrollment.client.connection import Answer, Identity, Server
from kernel.clock import tokyo_date
from kernel.errors import Refused

PATH = "/api/v1/terminals/self"
IN_SERVICE, SUSPENDED, ABOLISHED = "in_service", "suspended", "abolished"
VALID, HELD = "valid", "held"


@dataclass(frozen=True)
class Reissue:
    """A reissue that is under way."""

    state: str
    reason: str
    ready_on: date | None


@dataclass(frozen=True)
class Suspension:
    """Since when a terminal is suspended, and by which of the three rules; None where a person did it."""

    since: date
    rule: int | None


@dataclass(frozen=True)
class Report:
    """A terminal and its current certificate, as the door knows them at `answered_at`, by the clock that it judges by.

    `door_time` is the clock of the machine that answered, where it tells it.
    """

    answered_at: datetime
    terminal: str
    office_code: str
    state: str
    suspension: Suspension | None
    start_date: date
    serial: int
    certificate_state: str
    not_after: datetime
    first_day: date
    last_day: date
    suggested: datetime
    may_renew: bool
    blocked_by_reissue: bool
    reissue: Reissue | None
    door_time: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether this is a day of the window for renewal."""
        return self.first_day <= tokyo_date(self.answered_at) <= self.last_day

    @property
    def is_due(self) -> bool:
        """Whether the instant has come that is suggested to this terminal."""
        return self.answered_at >= self.suggested

    @property
    def is_held(self) -> bool:
        """Whether the certificate is stopped for a time, though the terminal may not be."""
        return self.state == IN_SERVICE and self.certificate_state == HELD

    @property
    def is_barred(self) -> bool:
        """Whether the terminal or its certificate is stopped for a time."""
        return self.state != IN_SERVICE or self.certificate_state != VALID


def report_of(server: Server, identity: Identity | None) -> Report:
    """Ask the door; without identity it answers E103.

    Raises as `connection.get`, and Refused("answer-unexpected") for what is no such report.
    """
    return read(connection.get(server, PATH, identity))


def read(answer: Answer) -> Report:
    """Return the report that an answer is; raises Refused("answer-unexpected") for what is none."""
    try:
        return _read(answer)
    except (KeyError, TypeError, ValueError, OverflowError):  # the last for a number that is infinite
        raise Refused("answer-unexpected", status=answer.status) from None


def _read(answer: Answer) -> Report:
    content = answer.content
    certificate, renewal = content["certificate"], content["renewal"]
    return Report(
        answered_at=_instant(content["answered_at"]),
        terminal=_text(content["terminal"]),
        office_code=_text(content["office_code"]),
        state=_text(content["state"]),
        suspension=_suspension(content.get("suspension")),
        start_date=date.fromisoformat(content["start_date"]),
        serial=int(certificate["serial"], 16),
        certificate_state=_text(certificate["state"]),
        not_after=_instant(certificate["not_after"]),
        first_day=date.fromisoformat(renewal["first_day"]),
        last_day=date.fromisoformat(renewal["last_day"]),
        suggested=_instant(renewal["suggested"]),
        may_renew=renewal["possible_now"] is True,
        blocked_by_reissue=renewal["blocked_by_reissue"] is True,
        reissue=_reissue(content["reissue"]),
        door_time=answer.date,
    )


def _reissue(content: Any) -> Reissue | None:  # noqa: ANN401 (somebody else's JSON)
    if content is None:
        return None
    ready_on = content["ready_on"]
    return Reissue(_text(content["state"]), _text(content["reason"]), date.fromisoformat(ready_on) if ready_on else None)


def _suspension(content: Any) -> Suspension | None:  # noqa: ANN401 (somebody else's JSON)
    if content is None:
        return None
    rule = content["rule"]
    return Suspension(date.fromisoformat(content["since"]), int(rule) if rule is not None else None)


def _instant(value: str) -> datetime:
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError(value)
    return instant


def _text(value: object) -> str:
    """Return a word of the door's vocabulary, which is shown on a screen."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise TypeError(value)
    return value
