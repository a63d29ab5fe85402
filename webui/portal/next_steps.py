"""The next thing to do, at the top of the menu: what waits for this office, for whoever reads. It only asks, it changes nothing.

Certificates that end have a banner of their own (`renewals`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import flask
from sqlalchemy.orm import Session

from enrollment import waiting_codes
from enrollment.waiting_codes import WaitingCodes
from kernel.clock import tokyo_date
from registry import applications
from registry.applications import Application
from registry.drafts import Kind
from registry.states import ApplicationState
from webui.accounts import Person, Right
from webui.texts import mark, say, show_day

# More than these, and nobody finds the first.
_MOST = 5
_STARTING = (ApplicationState.APPROVED, ApplicationState.PREPARED)


@dataclass(frozen=True)
class Step:
    """One thing to do: a finished sentence, where it is done (empty when others do it), and a page of the bulletin on it."""

    sentence: str
    address: str = ""
    manual: str = ""


def of_office(session: Session, office_code: str, person: Person, now: datetime) -> tuple[Step, ...]:
    """Return what an office has to do next, the most pressing first."""
    today = tokyo_date(now)
    open_ones = applications.open_of_office(session, office_code)
    questions = [_question(one, person) for one in open_ones if one.state is ApplicationState.QUERIED]
    codes = [_codes(one, person) for one in waiting_codes.of_office(session, office_code, today)]
    tomorrow = today + timedelta(days=1)
    starts = [_start(one) for one in open_ones if one.state in _STARTING and one.start_date == tomorrow]
    return (*questions, *_settings(session, open_ones, person, today), *starts, *codes)[:_MOST]


def _question(one: Application, person: Person) -> Step:
    sentence = say(
        mark("申込%(number)sに、センターからの確認事項があります。回答または取下げをしてください。"), number=one.receipt_number
    )
    may = person.may(Right.APPLY)
    return Step(sentence, flask.url_for("applications.show", receipt_number=one.receipt_number) if may else "")


def _settings(session: Session, open_ones: Sequence[Application], person: Person, today: date) -> list[Step]:
    """Return a step for each application that becomes void unless its system settings are complete in time."""
    due = [one for one in open_ones if one.settings_deadline is not None and one.settings_deadline >= today]
    missing = applications.missing_settings(session, due[0].office_code, today) if due else ()
    asked = any(one.kind is Kind.SYSTEM_SETTINGS for one in open_ones)
    return [_setting(one, person, is_asked=asked) for one in due if one.receipt_number in missing]


def _setting(one: Application, person: Person, *, is_asked: bool) -> Step:
    """Lead to where settings are applied for; who has done so, or may not, to the application that needs them."""
    sentence = say(
        mark("申込%(number)sには、システム設定が必要です。%(day)sまでに完了しないと、申込は無効になります。"),
        number=one.receipt_number,
        day=show_day(one.settings_deadline),
    )
    if is_asked or not person.may(Right.APPLY):
        return Step(sentence, flask.url_for("applications.show", receipt_number=one.receipt_number))
    return Step(sentence, flask.url_for("apply.guidance", kind=Kind.SYSTEM_SETTINGS.value))


def _codes(one: WaitingCodes, person: Person) -> Step:
    sentence = say(
        mark("証明書を取得できる端末が%(count)s台あります(%(day)sまで)。"), count=one.terminals, day=show_day(one.expires_on)
    )
    if not person.may(Right.CODES):
        return Step(sentence, manual="retrieval")
    # Without a number: the notice of terminals that were taken over.
    own = (
        flask.url_for("id_notice.show", receipt_number=one.receipt_number)
        if one.receipt_number
        else flask.url_for("id_notice.show")
    )
    return Step(sentence, own, "retrieval")


def _start(one: Application) -> Step:
    return Step(
        say(mark("明日(%(day)s)は、申込%(number)sの利用開始日です。"), day=show_day(one.start_date), number=one.receipt_number),
        flask.url_for("applications.show", receipt_number=one.receipt_number),
    )
