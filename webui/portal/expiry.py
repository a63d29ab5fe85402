"""When an office's certificates end: month by month for the chart, as a calendar, as a list for spreadsheets."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

import flask
import icalendar

from enrollment.office_certificates import Outline
from enrollment.receipts import fingerprint_of
from enrollment.renewal_window import window_of
from kernel.clock import tokyo_date
from webui import spreadsheets
from webui.doorway import doorway
from webui.texts import gettext, mark, say, show_day, show_month
from webui.words import certificate_label

# The chart's months: this one and the next twelve; what ends later is one bar.
MONTHS = 13
_HEIGHT = 100
# Before the last day, as the reminder mails.
_ALARM = timedelta(days=14)


@dataclass(frozen=True)
class Bar:
    """A bar of the chart: `y` and `height` are of a drawing 100 high; `month` is short enough to stand below it."""

    label: str
    month: str
    count: int
    y: int
    height: int
    is_over: bool = False


def bars(ending: Iterable[Outline], now: datetime) -> tuple[Bar, ...]:
    """Return the chart: what has ended, this month and the next twelve, and what ends later, where there is such."""
    first = tokyo_date(now).replace(day=1)
    months = [_month_after(first, number) for number in range(MONTHS)]
    over, later, counted = 0, 0, Counter[date]()
    for one in ending:
        month = tokyo_date(one.not_after).replace(day=1)
        over += one.not_after < now
        later += month > months[-1]
        counted[month] += one.not_after >= now
    columns = [(show_month(month), str(month.month), counted[month]) for month in months]
    columns += [(say(mark("それ以降")), "", later)] if later else []
    most = max(1, over, *(count for _, _, count in columns))
    ended = (_bar(say(mark("期限切れ")), "", over, most, is_over=True),) if over else ()
    return (*ended, *(_bar(label, month, count, most) for label, month, count in columns))


def calendar(ending: Sequence[Outline], now: datetime, days: int) -> bytes:
    """Return a calendar (RFC 5545) with the last day of each certificate, and an alarm two weeks before."""
    host = urlsplit(doorway().parts.settings.public_url).hostname or "localhost"
    page = doorway().parts.settings.public_url.rstrip("/") + flask.url_for("certificates.listed")
    made = icalendar.Calendar()
    for name, value in (("prodid", "-//tegata//certificates//JA"), ("version", "2.0"), ("method", "PUBLISH")):
        made.add(name, value)
    made.add("x-wr-calname", say(mark("デジタル証明書の有効期限")))
    for one in ending:
        event, last = icalendar.Event(), tokyo_date(one.not_after)
        event.add("uid", f"{one.serial}@{host}")
        event.add("dtstamp", now)
        event.add("dtstart", last)
        event.add("dtend", last + timedelta(days=1))
        event.add("summary", say(mark("端末%(terminal)sの証明書の有効期限"), terminal=one.subject))
        event.add("description", _description(one, days))
        event.add("url", page)
        event.add("transp", "TRANSPARENT")
        alarm = icalendar.Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", say(mark("端末%(terminal)sの証明書を更新してください。"), terminal=one.subject))
        alarm.add("trigger", -_ALARM)
        event.add_component(alarm)
        made.add_component(event)
    return bytes(made.to_ical())


def spreadsheet(name: str, ending: Sequence[tuple[Outline, bytes]], now: datetime, days: int) -> flask.Response:
    """Answer with the list as CSV; each certificate comes with its octets (DER)."""
    heads = (
        mark("論理端末名"),
        mark("状態"),
        mark("有効期間の開始"),
        mark("有効期限"),
        mark("更新の開始日"),
        mark("シリアル番号"),
        mark("フィンガープリント(SHA-256)"),
    )
    rows = (
        (
            one.subject,
            gettext(certificate_label(one, now).text),
            show_day(tokyo_date(one.not_before)),
            show_day(tokyo_date(one.not_after)),
            show_day(window_of(one.not_after, days).first_day),
            one.serial,
            fingerprint_of(der),
        )
        for one, der in ending
    )
    return spreadsheets.download(name, [gettext(head) for head in heads], rows)


def _description(one: Outline, days: int) -> str:
    window = window_of(one.not_after, days)
    told = mark(
        "%(first)sから%(last)sまでに、証明書が入っているパソコンで更新してください。期限を過ぎると再発行が必要になります。"
        "シリアル番号: %(serial)s"
    )
    return say(told, first=show_day(window.first_day), last=show_day(window.last_day), serial=one.serial)


def _bar(label: str, month: str, count: int, most: int, *, is_over: bool = False) -> Bar:
    height = -(-count * _HEIGHT // most)
    return Bar(label, month, count, _HEIGHT - height, height, is_over)


def _month_after(first: date, number: int) -> date:
    years, month = divmod(first.month - 1 + number, 12)
    return date(first.year + years, month + 1, 1)
