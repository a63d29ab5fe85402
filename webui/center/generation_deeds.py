"""What staff do about a change of the system generation: plan it with a dry run, start, pause, resume, stop, postpone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import flask
from werkzeug.wrappers import Response

from enrollment.generations import plans, progress
from enrollment.generations.forecast import weekly
from enrollment.generations.plans import MOST_WAVES, Plan, Successor, Wave
from enrollment.generations.records import Generation
from enrollment.generations.states import MemberState
from kernel.audit import Actor
from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry import calendar
from registry.faults import FieldFault, Invalid
from registry.japanese import digits, half_width
from webui import guard
from webui.accounts import Role
from webui.center import deeds
from webui.center.deeds import Confirmation
from webui.center.generations import STATES, chart_of, of, possible
from webui.center.parts import center
from webui.center.sentences import sentence_of
from webui.doorway import doorway
from webui.sheet import Sheet
from webui.texts import gettext, mark, say, show_day
from webui.words import fault_sentence

blueprint = flask.Blueprint("generation_deeds", __name__, url_prefix="/generations")

FAULTS: Mapping[str, str] = {
    "issuer-unknown": mark("新しい発行CAを選択してください。"),
    "name-taken": mark("同じ名前の世代変更があります。別の名前にしてください。"),
    "capacity": mark("1以上の数字で入力してください。"),
    "quota": mark("1日の件数は1から%(most)sまでの数字で入力してください。"),
    "wave-too-early": mark("%(first)s以降の日付を入力してください。新しい発行CAは、その日から発行します。"),
    "wave-last": mark("最後の期間は、事業所を指定せずに入力してください。残りのすべての端末が対象になります。"),
    "office-code": mark("%(code)sは事業所コード・企業略称の形ではありません。例: NAC001 NAC"),
    "end-after-issuer": mark("新しい発行CAの証明書の最終日(%(last)s)までの日付を入力してください。"),
    "end-too-early": mark("最後の期間の開始から%(days)s日以上あとの日付を入力してください。"),
    "quota-too-small": mark(
        "この件数では、最終日の%(days)s日前までにすべての端末のコードを準備できません。件数を増やすか、最終日を延ばしてください。"
    ),
}
# Retrievals an hour: a third of the 300 a second that a core carried of certificates that follow others, on the slower database
# (docs/performance.md, "Retrieval"); whoever has measured their own types that.
USUAL_CAPACITY = 360_000
_NUMBERS = range(1, MOST_WAVES + 1)
_FIELDS = (
    "name",
    "issuer",
    "ends_on",
    "capacity",
    *(f"wave{number}_{part}" for number in _NUMBERS for part in ("on", "quota", "offices")),
)


@dataclass(frozen=True)
class Change:
    """A deed without input: what it does, and its page's words."""

    event: str
    act: Callable[[int, Actor], None]
    title: str
    done: str
    notes: tuple[str, ...]
    cautions: tuple[str, ...] = ()
    is_final: bool = False


@blueprint.route("/new", methods=["GET", "POST"])
@guard.staff(Role.ISSUING)
def plan() -> Response | str:
    """Plan a change: typed first, then played through, then put on record."""
    with doorway().parts.database.snapshot() as session:
        issuers = plans.successors(session)
    if not deeds.is_sent():
        return _plan_form(Sheet(_suggested(issuers)), issuers)
    sheet = deeds.typed(*_FIELDS)
    if deeds.goes_back():
        return _plan_form(sheet, issuers)
    planned, unreadable = _read(sheet)
    faults = {**_sentences(center().generations.check(planned)), **unreadable}
    if faults:
        return _plan_form(sheet.with_faults(faults), issuers)
    return _put_on_record(sheet, planned, issuers) if deeds.is_confirmed() else _forecast(sheet, planned)


def _put_on_record(sheet: Sheet, planned: Plan, issuers: tuple[Successor, ...]) -> Response:
    try:
        number = center().generations.plan(planned, guard.person().actor)
    except Invalid as invalid:
        return _plan_form(sheet.with_faults(_sentences(invalid.faults)), issuers)
    except Refused as refused:
        return deeds.arrive(flask.url_for("generations.listed"), sentence_of(refused), deeds.REFUSED)
    done = say(mark("世代変更を計画しました。ほかの職員が開始するまで、何も行われません。"))
    return deeds.arrive(_address(number), done)


@blueprint.route("/<number>/start", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def start(number: str) -> Response | str:
    """Start a planned change."""
    return _change(
        number,
        Change(
            event="start",
            act=center().generations.start,
            title=say(mark("世代変更を開始する")),
            done=say(mark("世代変更を開始しました。計画した日から、コードを自動で準備します。")),
            notes=(
                say(mark("各期間の開始日から、1日の件数までコードを自動で準備し、事業所ごとに1通のメールで知らせます。")),
                say(mark("今の証明書は、新しい証明書が取得されるまで、または最終日まで使えます。")),
                say(mark("いつでも中断・中止できます。最終日は、あとから延ばせます。")),
            ),
            cautions=(say(mark("最終日の翌日に、新しい証明書を取得していない端末の今の証明書をすべて失効させます。")),),
        ),
    )


@blueprint.route("/<number>/pause", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def pause(number: str) -> Response | str:
    """Pause a change."""
    return _change(
        number,
        Change(
            event="pause",
            act=center().generations.pause,
            title=say(mark("世代変更を中断する")),
            done=say(mark("世代変更を中断しました。")),
            notes=(
                say(mark("再開するまで、コードの準備も督促も、最終日の失効も行いません。")),
                say(mark("準備済みのコードは、そのまま使えます。")),
            ),
        ),
    )


@blueprint.route("/<number>/resume", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def resume(number: str) -> Response | str:
    """Resume a paused change."""
    return _change(
        number,
        Change(
            event="resume",
            act=center().generations.resume,
            title=say(mark("世代変更を再開する")),
            done=say(mark("世代変更を再開しました。")),
            notes=(say(mark("中断したところから続けます。同じ端末のコードを二重に作ることはありません。")),),
        ),
    )


@blueprint.route("/<number>/stop", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def stop(number: str) -> Response | str:
    """Give a change up."""
    return _change(
        number,
        Change(
            event="stop",
            act=center().generations.stop,
            title=say(mark("世代変更を中止する")),
            done=say(mark("世代変更を中止しました。")),
            notes=(say(mark("準備済みのコードは期限まで、今の証明書は有効期限まで使えます。")),),
            cautions=(say(mark("中止した世代変更は再開できません。続けるには、新しく計画します。")),),
            is_final=True,
        ),
    )


@blueprint.route("/<number>/postpone", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def postpone(number: str) -> Response | str:
    """Give the old generation more time."""
    change = of(number)
    if not (deeds.is_sent() or change.is_open):
        return deeds.arrive(_address(change.number), sentence_of(Refused("generation-state")), deeds.REFUSED)
    sheet = deeds.typed("ends_on")
    if not deeds.is_sent() or deeds.goes_back():
        return _end_form(change, sheet)
    day = calendar.read_start(sheet["ends_on"], _today(), field="ends_on")
    if isinstance(day, FieldFault):
        return _end_form(change, deeds.with_fault(sheet, day))
    if not deeds.is_confirmed():
        return deeds.show(
            Confirmation(
                title=say(mark("最終日を延ばす")),
                subject=change.name,
                address=_address(change.number),
                button=say(mark("最終日を延ばす")),
                pairs=(*about(change), (say(mark("新しい最終日")), show_day(day))),
                notes=(say(mark("今の証明書を使える期間が延びます。証明書自体の有効期限は変わりません。")),),
                carried={"ends_on": day.isoformat()},
            )
        )
    return _give_time(change, sheet, day)


def _give_time(change: Generation, sheet: Sheet, day: date) -> Response:
    try:
        center().generations.postpone(change.number, day, guard.person().actor)
    except Refused as refused:
        if refused.code in ("end-not-later", "end-after-issuer"):
            return _end_form(change, sheet.with_faults({"ends_on": sentence_of(refused)}))
        return deeds.arrive(_address(change.number), sentence_of(refused), deeds.REFUSED)
    return deeds.arrive(_address(change.number), say(mark("最終日を%(day)sに延ばしました。"), day=show_day(day)))


@blueprint.route("/<number>/again", methods=["GET", "POST"])
@guard.staff(Role.ISSUING)
def again(number: str) -> Response | str:
    """Let codes that expired be made once more: an office's (`?office=`), or all."""
    change = of(number)
    office = half_width(flask.request.values.get("office", "")).upper()
    with doorway().parts.database.snapshot() as session:
        lapsed = [
            one.terminal
            for one in progress.all_stragglers(session, change.number, text=office, state=MemberState.LAPSED)
            if office in ("", one.office_code)
        ]

    def act() -> str:
        count = center().generations.again(change.number, lapsed, guard.person().actor)
        return say(mark("%(count)s端末のコードを、もう一度準備します。"), count=count)

    if deeds.is_sent():
        return deeds.carry_out(act, _address(change.number))
    if not possible(change)["again"] or not lapsed:
        return deeds.arrive(_address(change.number), _not_needed(), deeds.REFUSED)
    title = say(mark("期限切れのコードを作り直す"))
    return deeds.show(
        Confirmation(
            title=title,
            subject=change.name,
            address=_address(change.number),
            button=title,
            pairs=(
                *about(change),
                (say(mark("事業所")), office or say(mark("すべて"))),
                (say(mark("対象の端末数")), str(len(lapsed))),
            ),
            notes=(say(mark("1日の件数の中で、新しいコードを自動で準備し、事業所に知らせます。")),),
            carried={"office": office} if office else {},
        )
    )


def about(change: Generation) -> tuple[tuple[str, str], ...]:
    """Return what names a change."""
    return (
        (say(mark("名前")), change.name),
        (say(mark("新しい発行CA")), change.issuer),
        (say(mark("状態")), gettext(STATES[change.state].text)),
        (say(mark("旧世代の最終日")), show_day(change.ends_on)),
    )


def _change(number: str, change: Change) -> Response | str:
    """Show a deed without input, or do it."""
    found = of(number)

    def act() -> str:
        change.act(found.number, guard.person().actor)
        return change.done

    if deeds.is_sent():
        return deeds.carry_out(act, _address(found.number))
    allowed = possible(found)
    if not allowed[change.event]:
        return deeds.arrive(_address(found.number), _not_needed(), deeds.REFUSED)
    is_barred = change.event == "start" and allowed["is_planner"]
    return deeds.show(
        Confirmation(
            title=change.title,
            subject=found.name,
            address=_address(found.number),
            button=change.title,
            pairs=about(found),
            notes=change.notes,
            cautions=change.cautions,
            is_final=change.is_final,
            obstacle=sentence_of(Refused("generation-same-person")) if is_barred else "",
        )
    )


def _read(sheet: Sheet) -> tuple[Plan, dict[str, str]]:
    """Return what was typed as a plan, and which of its dates can not be read: there today stands in the plan."""
    faults: dict[str, str] = {}

    def day(field: str, beside: str) -> date:
        found = calendar.read_start(sheet[field], _today(), field=beside)
        if isinstance(found, FieldFault):
            faults[beside] = fault_sentence(found)
            return _today()
        return found

    ends_on = day("ends_on", "ends_on")
    waves = []
    for number in _NUMBERS:
        on, quota, offices = (half_width(sheet[f"wave{number}_{part}"]) for part in ("on", "quota", "offices"))
        if number == 1 or on or quota or offices:
            selected = tuple(offices.upper().replace(",", " ").replace("、", " ").split())
            waves.append(Wave(day(f"wave{number}_on", f"wave{number}"), _number(quota), selected))
    return Plan(sheet["name"], sheet["issuer"], ends_on, tuple(waves), _number(sheet["capacity"])), faults


def _number(text: str) -> int:
    """Return a typed number; 0, which is refused everywhere, for what is none."""
    plain = digits(text.replace(",", ""))
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 10 else 0  # noqa: PLR2004 (longer is a joke)


def _sentences(faults: tuple[FieldFault, ...]) -> dict[str, str]:
    found = {}
    for fault in faults:
        facts = {name: show_day(value) if isinstance(value, date) else value for name, value in fault.facts.items()}
        found[fault.field] = say(FAULTS[fault.code], **facts) if fault.code in FAULTS else fault_sentence(fault)
    return found


def _suggested(issuers: tuple[Successor, ...]) -> dict[str, str]:
    newest = {"issuer": issuers[0].name} if len(issuers) == 1 else {}
    return {"capacity": str(USUAL_CAPACITY), **newest}


def _plan_form(sheet: Sheet, issuers: tuple[Successor, ...]) -> Response:
    choices = [
        ("", say(mark("選択してください"))),
        *((one.name, _described(one)) for one in issuers),
    ]
    labels = {
        "name": say(mark("名前")),
        "issuer": say(mark("新しい発行CA")),
        "ends_on": say(mark("旧世代の最終日")),
        "capacity": say(mark("1時間に処理できる取得件数")),
        **{f"wave{number}": say(mark("期間%(number)s"), number=number) for number in _NUMBERS},
    }
    page = flask.render_template(
        "generation-plan.html", sheet=sheet, choices=choices, labels=labels, numbers=_NUMBERS, has_issuer=bool(issuers)
    )
    return flask.make_response(page, 422 if sheet.faults else 200)


def _described(one: Successor) -> str:
    return say(mark("%(name)s(%(day)sから発行)"), name=one.name, day=show_day(tokyo_date(one.issues_from)))


def _forecast(sheet: Sheet, planned: Plan) -> str:
    told = center().generations.dry_run(planned)
    return flask.render_template(
        "generation-forecast.html",
        sheet=sheet,
        plan=planned,
        told=told,
        weeks=weekly(told.days),
        chart=chart_of(told, planned.hourly_capacity),
        overloaded=told.overloaded(planned.hourly_capacity),
        carried=sheet.values,
    )


def _end_form(change: Generation, sheet: Sheet) -> Response:
    page = flask.render_template("generation-end.html", change=change, sheet=sheet, pairs=about(change))
    return flask.make_response(page, 422 if sheet.faults else 200)


def _not_needed() -> str:
    return say(mark("今の状態では、この操作は必要ありません。"))


def _today() -> date:
    return tokyo_date(doorway().parts.clock.now())


def _address(number: int) -> str:
    return flask.url_for("generations.show", number=number)
