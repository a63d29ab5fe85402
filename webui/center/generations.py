"""世代変更: changes of the system generation as staff read them: how far they are, by office, and who has not retrieved."""

from collections.abc import Mapping
from dataclasses import dataclass

import flask

from enrollment.generations import progress, records
from enrollment.generations.forecast import Forecast, forecast, weekly
from enrollment.generations.progress import Straggler
from enrollment.generations.records import Generation
from enrollment.generations.states import LIFECYCLE, STRAGGLERS, GenerationEvent, GenerationState, HeldReason, MemberState
from kernel import audit
from kernel.clock import tokyo_date
from webui import guard, spreadsheets
from webui.accounts import Role
from webui.center import listing
from webui.doorway import doorway
from webui.texts import gettext, mark, say, show_day
from webui.words import Label

blueprint = flask.Blueprint("generations", __name__, url_prefix="/generations")

STATES: Mapping[GenerationState, Label] = {
    GenerationState.PLANNED: Label(mark("開始待ち"), "info"),
    GenerationState.RUNNING: Label(mark("実施中"), "good"),
    GenerationState.PAUSED: Label(mark("中断中"), "warn"),
    GenerationState.STOPPED: Label(mark("中止"), "bad"),
    GenerationState.ENDED: Label(mark("完了")),
}
MEMBER_STATES: Mapping[MemberState, Label] = {
    MemberState.RETRIEVED: Label(mark("取得済み"), "good"),
    MemberState.PREPARED: Label(mark("取得待ち"), "info"),
    MemberState.WAITING: Label(mark("コード準備待ち")),
    MemberState.HELD: Label(mark("保留"), "warn"),
    MemberState.LAPSED: Label(mark("コード期限切れ"), "warn"),
    MemberState.ENDED: Label(mark("旧証明書終了"), "bad"),
    MemberState.SUSPENDED: Label(mark("利用停止"), "bad"),
    MemberState.LEFT: Label(mark("廃止")),
}
HELD_REASONS: Mapping[HeldReason, str] = {
    HeldReason.SUSPENDED: mark("端末が停止中"),
    HeldReason.FROZEN: mark("コードが凍結中"),
    HeldReason.REVOKED: mark("証明書が失効済み"),
    HeldReason.REISSUE: mark("再発行の手続き中"),
}
_PAGE = 30
_HEADS = (
    mark("事業所コード"),
    mark("論理端末名"),
    mark("状態"),
    mark("理由"),
    mark("コードの準備日"),
    mark("コードの期限"),
)


@dataclass(frozen=True)
class Chart:
    """A forecast's busiest hours as bars: each a place from the left, a height and whether it is too high, in a box of 100."""

    bars: tuple[tuple[float, float, bool], ...]
    width: float
    line: float
    most: int


@blueprint.get("/")
@guard.staff()
def listed() -> str:
    """Show all changes, newest first."""
    with doorway().parts.database.snapshot() as session:
        found = records.listed(session)
        totals = {change.number: progress.totals(session, change.number) for change in found}
    return flask.render_template("generations.html", found=found, totals=totals, may_plan=guard.person().may(Role.ISSUING))


@blueprint.get("/<number>")
@guard.staff()
def show(number: str) -> str:
    """Show a change: its plan, how far it is, what it still will mean, its offices and its history."""
    change, text = of(number), listing.searched()
    today = tokyo_date(doorway().parts.clock.now())
    with doorway().parts.database.snapshot() as session:
        totals = progress.totals(session, change.number)
        offices = progress.by_office(session, change.number, text=text, page=listing.page_number(), size=_PAGE)
        waiting = progress.waiting_by_office(session, change.number)
        deeds = audit.history(session, f"generation:{change.number}")
    outstanding = totals[MemberState.PREPARED]
    is_ahead = change.is_open and (waiting or outstanding)
    ahead = forecast(waiting, change.waves, today, change.ends_on, outstanding=outstanding) if is_ahead else None
    return flask.render_template(
        "generation.html",
        change=change,
        totals=totals,
        members=sum(totals.values()) - totals[MemberState.LEFT],
        offices=offices,
        pager=listing.pager_of(offices),
        ahead=ahead,
        chart=chart_of(ahead, change.hourly_capacity) if ahead else None,
        weeks=weekly(ahead.days) if ahead else (),
        deeds=deeds,
        text=text,
        possible=possible(change),
        is_late=change.state is GenerationState.RUNNING and today > change.ends_on and totals[MemberState.WAITING] > 0,
    )


@blueprint.get("/<number>/stragglers")
@guard.staff()
def stragglers(number: str) -> str:
    """Show who has not retrieved yet, by office and name."""
    change, text, state = of(number), listing.searched(), _state()
    with doorway().parts.database.snapshot() as session:
        found = progress.stragglers(session, change.number, text=text, state=state, page=listing.page_number(), size=_PAGE)
        totals = progress.totals(session, change.number)
    return flask.render_template(
        "stragglers.html",
        change=change,
        found=found,
        pager=listing.pager_of(found),
        states={one: MEMBER_STATES[one] for one in STRAGGLERS},
        text=text,
        state=state,
        asked={"q": text, "state": state.value if state else ""},
        may_make_again=possible(change)["again"] and totals[MemberState.LAPSED] > 0,
        labels=MEMBER_STATES,
        reasons=HELD_REASONS,
    )


@blueprint.get("/<number>/stragglers.csv")
@guard.staff()
def stragglers_file(number: str) -> flask.Response:
    """Give the same list as a file, whole."""
    change = of(number)
    heads = [gettext(head) for head in _HEADS]
    with doorway().parts.database.snapshot() as session:
        rows = [_row(one) for one in progress.all_stragglers(session, change.number, text=listing.searched(), state=_state())]
    return spreadsheets.download(f"generation-{change.number}-stragglers.csv", heads, rows)


def of(number: str) -> Generation:
    """Return the change of an address; 404 when there is none."""
    digits = number if number.isascii() and number.isdecimal() and len(number) < 10 else "0"  # noqa: PLR2004 (its column's size)
    with doorway().parts.database.snapshot() as session:
        found = records.find(session, int(digits))
    if found is None:
        flask.abort(404)
    return found


def possible(change: Generation) -> dict[str, bool]:
    """Tell what the reader may do to a change in its present state; `is_planner` bars from starting it."""
    person = guard.person()
    secures, issues = person.may(Role.SECURITY), person.may(Role.ISSUING)
    is_planner = change.planner == str(person.actor)
    return {
        **{
            event.value: secures and LIFECYCLE.allows(change.state, event)
            for event in (GenerationEvent.START, GenerationEvent.PAUSE, GenerationEvent.RESUME, GenerationEvent.STOP)
        },
        "postpone": secures and change.is_open,
        "again": issues and change.state in (GenerationState.RUNNING, GenerationState.PAUSED),
        "is_planner": is_planner,
    }


def chart_of(told: Forecast, hourly_capacity: int) -> Chart:
    """Return a forecast as a drawing of its busiest hours, day by day, beside what was measured."""
    days = told.days
    if not days:
        return Chart((), 1, 0, 0)
    first = days[0].day
    span = max((day.day - first).days + 1 for day in days)
    top = max(hourly_capacity if hourly_capacity < 4 * max(day.busiest_hour for day in days) else 0, 1)
    most = max(top, *(day.busiest_hour for day in days))
    width = 100 / span
    bars = tuple(
        (
            round((day.day - first).days * width, 3),
            round(100 * day.busiest_hour / most, 2),
            day.busiest_hour > hourly_capacity,
        )
        for day in days
    )
    # A limit far above everything is told in words: drawn, it would flatten all bars.
    return Chart(bars, round(width * 0.8, 3), round(100 * hourly_capacity / most, 2) if top > 1 else 0, most)


def _state() -> MemberState | None:
    chosen = listing.chosen("state", tuple(STRAGGLERS))
    return MemberState(chosen) if chosen else None


def _row(one: Straggler) -> tuple[str, ...]:
    return (
        one.office_code,
        one.terminal,
        say(MEMBER_STATES[one.state].text),
        say(HELD_REASONS[one.reason]) if one.reason else "",
        show_day(one.prepared_on) if one.prepared_on else "",
        show_day(one.expires_on) if one.expires_on else "",
    )
