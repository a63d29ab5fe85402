"""利用開始日の予定: the published start dates, and the days that the center opens or closes against the rule."""

from dataclasses import dataclass
from datetime import date

import flask
from werkzeug.wrappers import Response

from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry import schedule
from registry.calendar import STANDARD_LEAD, add_business_days, read_day
from registry.faults import FieldFault
from registry.japanese import free_text
from registry.schedule import NOTE_MOST, DayDeed, ScheduleDesk
from webui import guard, months
from webui.accounts import Role
from webui.center import deeds
from webui.center.deeds import Confirmation
from webui.center.sentences import sentence_of
from webui.doorway import doorway
from webui.sheet import Sheet
from webui.texts import gettext, mark, say, show_day

blueprint = flask.Blueprint("start_days", __name__, url_prefix="/start-days")

DEEDS = {
    DayDeed.OPEN: mark("利用開始日に加える"),
    DayDeed.CLOSE: mark("利用開始日から外す"),
    DayDeed.RESTORE: mark("既定に戻す"),
}
_NAMES = ("day", "deed", "note")


@dataclass(frozen=True)
class Typed:
    """A change of one day, clean."""

    day: date
    deed: DayDeed
    note: str


@blueprint.get("/")
@guard.staff()
def show() -> str:
    """Show the months with the published start dates, and the days that differ from the rule."""
    return _page(Sheet({"deed": DayDeed.OPEN.value}))


@blueprint.route("/change", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def change() -> Response | str:
    """Open or close a day, after a confirmation."""
    if not deeds.is_sent():
        return flask.redirect(flask.url_for("start_days.show"), 303)
    typed = _typed()
    if isinstance(typed, Sheet):
        return flask.make_response(_page(typed), 422 if typed.faults else 200)
    name = gettext(DEEDS[typed.deed])
    if not deeds.is_confirmed():
        return deeds.show(
            Confirmation(
                title=name,
                subject=show_day(typed.day),
                address=flask.url_for("start_days.show"),
                button=name,
                pairs=((say(mark("日付")), show_day(typed.day)), (say(mark("メモ")), typed.note)),
                notes=(say(mark("お客様の利用開始日の予定に、すぐに表示されます。受付済みの申込と利用開始日は変わりません。")),),
                carried={"day": typed.day.isoformat(), "deed": typed.deed.value, "note": typed.note},
            )
        )

    def carry_out() -> str:
        desk = ScheduleDesk(doorway().parts.database, doorway().parts.clock)
        desk.change(typed.day, typed.deed, typed.note, guard.person().actor)
        return say(mark("%(day)sの予定を変更しました。"), day=show_day(typed.day))

    return deeds.carry_out(carry_out, flask.url_for("start_days.show", month=typed.day.strftime("%Y-%m")))


def _typed() -> Typed | Sheet:
    sheet = deeds.typed(*_NAMES)
    if deeds.goes_back():
        return sheet
    day = read_day(sheet["day"], field="day")
    note = free_text("note", sheet["note"], most=NOTE_MOST, required=False)
    deed = sheet["deed"]
    if deed not in tuple(DayDeed):
        return sheet.with_faults({"deed": sentence_of(Refused("required"))})
    if isinstance(day, FieldFault):
        return deeds.with_fault(sheet, day)
    return deeds.with_fault(sheet, note) if isinstance(note, FieldFault) else Typed(day, DayDeed(deed), note)


def _page(sheet: Sheet) -> str:
    today = tokyo_date(doorway().parts.clock.now())
    with doorway().parts.database.snapshot() as session:
        published, changed = schedule.read(session), schedule.changes(session, today)
    return flask.render_template(
        "start-days.html",
        sheet=sheet,
        pages=months.around(flask.request.args.get("month", ""), today, published),
        earliest=add_business_days(today, STANDARD_LEAD),
        lead=STANDARD_LEAD,
        changed=changed,
        choices=[(deed.value, gettext(text)) for deed, text in DEEDS.items()],
        wished=None,
        may_change=guard.person().may(Role.REVIEW),
        **months.facts(),
    )
