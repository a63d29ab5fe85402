"""What staff do to applications: approve, ask, reject, cancel, note what was carried out by hand, prepare the codes."""

from dataclasses import dataclass
from datetime import date

import flask
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry import calendar, execution, offices, soundness
from registry.applications import Detail
from registry.applications.records import WORDS_MOST
from registry.applications.review import settings_deadline
from registry.applications.workload import BY_ITSELF
from registry.calendar import read_start
from registry.changes import ItemChange, changes_company
from registry.faults import FieldFault
from registry.forms import FORMS
from registry.items import ITEMS
from registry.japanese import free_text
from registry.proposals import Change
from webui import guard
from webui.accounts import Role
from webui.center import deeds
from webui.center.applications import Dossier, possible, read
from webui.center.deeds import Confirmation
from webui.center.parts import center
from webui.center.sentences import sentence_of
from webui.center.urgency import published, start_warnings
from webui.doorway import doorway
from webui.sheet import Sheet
from webui.texts import mark, say, show_day
from webui.words import item_name

blueprint = flask.Blueprint("reviewing", __name__, url_prefix="/applications/<number>")


@dataclass(frozen=True)
class Wording:
    """A form for words to the customer: its title, and the name and label of its one field."""

    title: str
    field: str
    label: str


_ASKING = Wording(mark("確認事項を送る"), "question", mark("確認事項"))
_REJECTING = Wording(mark("申込を不承認にする"), "reason", mark("お客様に伝える理由"))
_CANCELLING = Wording(mark("申込を取り消す"), "reason", mark("お客様に伝える理由"))
# Refusals of a date, which stand beside its field.
_OF_DATE = {"date-past", "date-far", "settings-too-late"}


@blueprint.route("/approve", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def approve(number: str) -> Response | str:
    """Approve an application with a start date that is typed first and then confirmed with its warnings."""
    dossier = dossier_of(number)
    if obstacle := _obstacle(dossier):
        return deeds.arrive(address_of(number), obstacle, deeds.REFUSED)
    start = _start(dossier)
    if isinstance(start, Sheet):
        return _start_form(dossier, start)
    try:
        if not deeds.is_confirmed():
            return deeds.show(_approval(dossier, start))
        center().review.approve(number, start, approver=guard.person().actor, version=_version_read(dossier))
    except Refused as refused:
        if refused.code in _OF_DATE:
            return _start_form(dossier, _start_sheet(start).with_faults({"start_date": sentence_of(refused)}))
        return deeds.arrive(address_of(number), sentence_of(refused), deeds.REFUSED)
    return deeds.arrive(
        address_of(number), say(mark("申込%(number)sを承認しました。お客様にメールでお知らせします。"), number=number)
    )


@blueprint.route("/query", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def query(number: str) -> Response | str:
    """Ask the customer something about an application."""
    dossier = dossier_of(number)
    if not (deeds.is_sent() or possible(dossier.detail).query):
        return deeds.arrive(address_of(number), wrong_state(dossier), deeds.REFUSED)
    words = _words(_ASKING)
    if isinstance(words, Sheet):
        return _words_form(_ASKING, dossier, words)
    if not deeds.is_confirmed():
        return deeds.show(
            Confirmation(
                title=say(mark("確認事項を送る")),
                subject=number,
                address=address_of(number),
                button=say(mark("確認事項を送る")),
                pairs=(*about(dossier), (say(mark("確認事項")), words)),
                notes=(
                    say(mark("申込担当者と管理責任者にメールで送ります。お客様が回答するか取り下げるまで、審査は止まります。")),
                ),
                carried={"question": words},
            )
        )

    def ask() -> str:
        center().review.query(number, words, actor=guard.person().actor)
        return say(mark("申込%(number)sの確認事項を送りました。"), number=number)

    return deeds.carry_out(ask, address_of(number))


@blueprint.route("/reject", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def reject(number: str) -> Response | str:
    """Reject an application with a reason."""
    dossier = dossier_of(number)
    if not (deeds.is_sent() or possible(dossier.detail).reject):
        return deeds.arrive(address_of(number), wrong_state(dossier), deeds.REFUSED)
    words = _words(_REJECTING)
    if isinstance(words, Sheet):
        return _words_form(_REJECTING, dossier, words)
    if not deeds.is_confirmed():
        return deeds.show(
            Confirmation(
                title=say(mark("申込を不承認にする")),
                subject=number,
                address=address_of(number),
                button=say(mark("不承認にする")),
                pairs=(*about(dossier), (say(mark("お客様に伝える理由")), words)),
                notes=(say(mark("理由を添えて、申込担当者と管理責任者にメールで知らせます。")),),
                cautions=(say(mark("元に戻せません。お客様は、あらためて申し込むことになります。")),),
                carried={"reason": words},
                is_final=True,
            )
        )

    def end() -> str:
        center().review.reject(number, words, actor=guard.person().actor)
        return say(mark("申込%(number)sを不承認にしました。"), number=number)

    return deeds.carry_out(end, address_of(number))


@blueprint.route("/cancel", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def cancel(number: str) -> Response | str:
    """Cancel an approved application with a reason; the terminals that it made end with their codes and certificates."""
    dossier = dossier_of(number)
    if not (deeds.is_sent() or possible(dossier.detail).cancel):
        return deeds.arrive(address_of(number), wrong_state(dossier), deeds.REFUSED)
    words = _words(_CANCELLING)
    if isinstance(words, Sheet):
        return _words_form(_CANCELLING, dossier, words)
    if not deeds.is_confirmed():
        return deeds.show(_cancellation(dossier, words))

    def end() -> str:
        ended = center().departures.cancel(number, words, guard.person().actor)
        if not ended:
            return say(mark("申込%(number)sを取り消しました。"), number=number)
        return say(mark("申込%(number)sを取り消し、端末%(names)sを廃止しました。"), number=number, names=", ".join(ended))

    return deeds.carry_out(end, address_of(number))


@blueprint.route("/items/<item>", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def execute(number: str, item: str) -> Response | str:
    """Carry out an item: the contract changes as the customer wants it, if it still says what it said then."""
    dossier = dossier_of(number)
    line = next((line for line in dossier.detail.items if line.item == item), None)
    if line is None or item in BY_ITSELF or item not in ITEMS:
        flask.abort(404)
    if not deeds.is_sent():
        if line.executed_at is not None:
            return deeds.arrive(address_of(number), sentence_of(Refused("item-executed")), deeds.REFUSED)
        if not possible(dossier.detail).execute:
            return deeds.arrive(address_of(number), wrong_state(dossier), deeds.REFUSED)
        return _execution(dossier, line.change)

    def note() -> str:
        center().review.mark_executed(number, item, actor=guard.person().actor)
        return say(mark("「%(item)s」を実施済みにしました。"), item=item_name(item))

    return deeds.carry_out(note, address_of(number))


@blueprint.route("/codes", methods=["GET", "POST"])
@guard.staff(Role.ISSUING)
def prepare(number: str) -> Response | str:
    """Prepare the codes of an approved application's terminals; nobody who approved it can."""
    dossier, address = dossier_of(number), address_of(number)
    if deeds.is_sent():

        def make() -> str:
            names = center().preparation.prepare(number, guard.person().actor)
            return say(mark("端末%(names)sのコードを準備しました。お客様にメールでお知らせします。"), names=", ".join(names))

        return deeds.carry_out(make, address)
    state = possible(dossier.detail)
    if not state.waits_for_codes:
        return deeds.arrive(address, sentence_of(Refused("nothing-to-prepare")), deeds.REFUSED)
    application = dossier.detail.application
    names = "\n".join(terminal.name for terminal in dossier.detail.terminals)
    return deeds.show(
        Confirmation(
            title=say(mark("コードを準備する")),
            subject=number,
            address=address,
            button=say(mark("コードを準備する")),
            pairs=(
                *about(dossier),
                (say(mark("利用開始日")), show_day(application.start_date)),
                (say(mark("コードを準備する端末")), names),
            ),
            notes=(
                say(mark("端末アクセスキーと認証コードを作り、封をして保存します。職員は中身を見られません。")),
                say(mark("証明書を取得できることを、コードを書かずにメールで知らせます。")),
            ),
            obstacle=sentence_of(Refused("same-person")) if state.is_approver else "",
        )
    )


def dossier_of(number: str) -> Dossier:
    """Read an application's page; 404 when there is none."""
    with doorway().parts.database.snapshot() as session:
        return read(session, number)


def address_of(number: str) -> str:
    """Return where an application's page is."""
    return flask.url_for("applications.show", number=number)


def today() -> date:
    """Return the day in Tokyo."""
    return tokyo_date(doorway().parts.clock.now())


def wrong_state(dossier: Dossier) -> str:
    """Say that an application's state does not allow it."""
    return sentence_of(Refused("application-state", state=dossier.detail.application.state.value))


def about(dossier: Dossier) -> tuple[tuple[str, str], ...]:
    """Return what names an application on a confirmation page."""
    application, office = dossier.detail.application, dossier.office
    return (
        (say(mark("受付番号")), application.receipt_number),
        (say(mark("事業所")), f"{office.code} {office.company_name} {office.name}"),
        (say(mark("申込項目")), "\n".join(item_name(line.item) for line in dossier.detail.items)),
    )


def _start(dossier: Dossier) -> date | Sheet:
    """Return the start date that was typed; or the form to show: with the wished date, as typed, or with its fault."""
    if not deeds.is_sent():
        return _start_sheet(dossier.detail.application.wished_start)
    sheet = deeds.typed("start_date")
    if deeds.goes_back():
        return sheet
    start = read_start(sheet["start_date"], today(), field="start_date")
    return deeds.with_fault(sheet, start) if isinstance(start, FieldFault) else start


def _start_sheet(start: date) -> Sheet:
    return Sheet({"start_date": start.strftime("%Y/%m/%d")})


def proposed_starts() -> tuple[date, ...]:
    """Return the next published start dates that leave the standard lead time."""
    earliest = calendar.add_business_days(today(), calendar.STANDARD_LEAD)
    return published().days(earliest, calendar.add_business_days(today(), 30))[:6]


def _start_form(dossier: Dossier, sheet: Sheet) -> Response:
    wished = dossier.detail.application.wished_start
    page = flask.render_template(
        "approval.html",
        dossier=dossier,
        sheet=sheet,
        told=start_warnings(wished, today()),
        schedule=proposed_starts(),
    )
    return flask.make_response(page, 422 if sheet.faults else 200)


def _approval(dossier: Dossier, start: date) -> Confirmation:
    """Return what an approval with a start date means; raises Refused("settings-too-late")."""
    detail = dossier.detail
    number, wished = detail.application.receipt_number, detail.application.wished_start
    cautions = list(start_warnings(start, today()))
    with doorway().parts.database.snapshot() as session:
        deadline = settings_deadline(session, number, start, today())
        for line in detail.items:
            cautions += [words for words, _ in _hindrances(session, dossier, line.change, beforehand=True)]
    if start != wished:
        cautions.append(say(mark("希望日(%(wished)s)と異なる日付です。"), wished=show_day(wished)))
    return Confirmation(
        title=say(mark("申込を承認する")),
        subject=number,
        address=address_of(number),
        button=say(mark("承認する")),
        pairs=(
            *about(dossier),
            (say(mark("追加する端末")), say(mark("%(count)s台"), count=_added(detail))),
            (say(mark("利用開始希望日")), show_day(wished)),
            (say(mark("利用開始日")), show_day(start)),
            *([(say(mark("システム設定の締切日")), show_day(deadline))] if deadline else []),
        ),
        notes=(
            say(mark("追加する端末に論理端末名を割り当て、申込担当者と管理責任者にメールで知らせます。")),
            say(mark("承認すると、この申込のコードを自分では準備できません。ほかの職員が準備します。")),
        ),
        cautions=tuple(cautions),
        carried={"start_date": start.strftime("%Y/%m/%d"), "version": str(detail.application.version)},
    )


def _obstacle(dossier: Dossier) -> str:
    """Return why an application can not be approved now, a finished sentence; empty when it can."""
    if not (deeds.is_sent() or possible(dossier.detail).approve):
        return wrong_state(dossier)
    if _version_read(dossier) != dossier.detail.application.version:
        return sentence_of(Refused("application-corrected"))
    try:
        for line in dossier.detail.items:
            soundness.require(dossier.office.code, line.change)
    except Refused as outdated:
        return sentence_of(outdated)
    return ""


def _version_read(dossier: Dossier) -> int:
    """Return the version of the application that the reader decides about: the one of the page that led here."""
    sent = MultiDict({**flask.request.args.to_dict(), **deeds.form()})
    return sent.get("version", dossier.detail.application.version, type=int)


def _cancellation(dossier: Dossier, words: str) -> Confirmation:
    number = dossier.detail.application.receipt_number
    names = "\n".join(terminal.name for terminal in dossier.detail.terminals) or say(mark("なし"))
    return Confirmation(
        title=say(mark("申込を取り消す")),
        subject=number,
        address=address_of(number),
        button=say(mark("申込を取り消す")),
        pairs=(
            *about(dossier),
            (say(mark("廃止される端末")), names),
            (say(mark("お客様に伝える理由")), words),
        ),
        notes=(say(mark("理由を添えて、申込担当者と管理責任者にメールで知らせます。")),),
        cautions=(say(mark("元に戻せません。端末は廃止され、コードは使えなくなり、取得済みの証明書は失効します。")),),
        carried={"reason": words},
        is_final=True,
    )


def _added(detail: Detail) -> int:
    return sum(line.count for line in detail.lines if line.change is Change.ADD)


def _words(wording: Wording) -> str | Sheet:
    """Return what the center says to the customer, clean; or the form to show: empty, as typed, or with its fault."""
    if not deeds.is_sent():
        return Sheet()
    sheet = deeds.typed(wording.field)
    if deeds.goes_back():
        return sheet
    words = free_text(wording.field, sheet[wording.field], most=WORDS_MOST, required=True)
    return deeds.with_fault(sheet, words) if isinstance(words, FieldFault) else words


def _words_form(wording: Wording, dossier: Dossier, sheet: Sheet) -> Response:
    title, label = say(wording.title), say(wording.label)
    page = flask.render_template("words.html", dossier=dossier, sheet=sheet, title=title, field=wording.field, label=label)
    return flask.make_response(page, 422 if sheet.faults else 200)


def _hindrances(session: Session, dossier: Dossier, change: ItemChange, *, beforehand: bool = False) -> list[tuple[str, str]]:
    """Return what must be different before an item can be carried out, each with a page that helps; empty for none.

    `beforehand` what the application's other items may bring is not among it.
    """
    found = execution.obstacles(session, dossier.office.code, change) if change.item in FORMS else ()
    found = tuple(one for one in found if not (beforehand and one.code == "owned-gone"))
    terminals = flask.url_for("terminals.listed", q=dossier.office.code)
    return [
        (
            say(mark("論理端末が%(count)s台残っています。すべて廃止されるまで、契約の終了は実施できません。"), **one.facts),
            terminals,
        )
        if one.code == "terminals-remain"
        else (say(mark("事業所%(office_code)sは登録されていません。このままでは実施できません。"), **one.facts), "")
        if one.code == "office-unknown"
        else (sentence_of(one), "")
        for one in found
    ]


def _execution(dossier: Dossier, change: ItemChange) -> str:
    office_code = dossier.office.code
    with doorway().parts.database.snapshot() as session:
        hindrances = _hindrances(session, dossier, change)
        # What today's forms do not know can not be compared either.
        is_sound = not soundness.faults(office_code, change)
        conflicts = execution.conflicts(session, office_code, change) if is_sound else ()
        siblings = offices.siblings(session, office_code) if is_sound and changes_company(change) else {}
    return flask.render_template(
        "execution.html",
        dossier=dossier,
        line=next(line for line in dossier.detail.items if line.item == change.item),
        conflicts=conflicts,
        hindrances=hindrances,
        siblings=siblings,
        is_request=FORMS[change.item].is_request,
    )
