"""Moving the start date of an approved application, before it comes: typed with its reason, then confirmed."""

from dataclasses import dataclass
from datetime import date

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from registry.applications.records import WORDS_MOST
from registry.applications.review import settings_deadline
from registry.calendar import read_start
from registry.faults import FieldFault
from registry.japanese import free_text
from registry.states import APPLICATION, ApplicationEvent
from webui import guard
from webui.accounts import Role
from webui.center import deeds
from webui.center.applications import Dossier, possible
from webui.center.deeds import Confirmation
from webui.center.parts import center
from webui.center.reviewing import about, address_of, dossier_of, proposed_starts, today, wrong_state
from webui.center.sentences import sentence_of
from webui.center.urgency import start_warnings
from webui.doorway import doorway
from webui.sheet import Sheet
from webui.texts import mark, say, show_day
from webui.words import fault_sentence

blueprint = flask.Blueprint("moving", __name__, url_prefix="/applications/<number>")

# Refusals of a date, which stand beside its field.
_OF_DATE = {"date-past", "date-far", "settings-too-late", "start-same"}


@dataclass(frozen=True)
class _Typed:
    """What the form says, clean."""

    start: date
    reason: str

    @property
    def carried(self) -> dict[str, str]:
        """Return it as it is typed."""
        return {"start_date": self.start.strftime("%Y/%m/%d"), "reason": self.reason}


@blueprint.route("/start", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def move(number: str) -> Response | str:
    """Move the start date: codes end at once, and certificates that would begin too early."""
    dossier = dossier_of(number)
    if not (deeds.is_sent() or possible(dossier.detail).move):
        return deeds.arrive(address_of(number), _obstacle(dossier), deeds.REFUSED)
    typed = _typed()
    if isinstance(typed, Sheet):
        return _form(dossier, typed)
    try:
        if not deeds.is_confirmed():
            return deeds.show(_confirmation(dossier, typed))
        names = center().start_moves.move(number, typed.start, typed.reason, guard.person().actor)
    except Refused as refused:
        if refused.code in _OF_DATE:
            return _form(dossier, Sheet(typed.carried).with_faults({"start_date": sentence_of(refused)}))
        return deeds.arrive(address_of(number), sentence_of(refused), deeds.REFUSED)
    done = say(mark("申込%(number)sの利用開始日を%(day)sに変更しました。"), number=number, day=show_day(typed.start))
    if names:
        done += say(mark("端末%(names)sのコードは、ほかの職員が準備し直します。"), names=", ".join(names))
    return deeds.arrive(address_of(number), done)


def _obstacle(dossier: Dossier) -> str:
    application = dossier.detail.application
    if APPLICATION.allows(application.state, ApplicationEvent.MOVE):
        return sentence_of(Refused("start-passed"))
    return wrong_state(dossier)


def _typed() -> _Typed | Sheet:
    """Return what was typed; or the form to show: empty, as typed, or with its faults."""
    if not deeds.is_sent():
        return Sheet()
    sheet = deeds.typed("start_date", "reason")
    if deeds.goes_back():
        return sheet
    start = read_start(sheet["start_date"], today(), field="start_date")
    reason = free_text("reason", sheet["reason"], most=WORDS_MOST, required=True)
    if not isinstance(start, FieldFault) and not isinstance(reason, FieldFault):
        return _Typed(start, reason)
    return sheet.with_faults({fault.field: fault_sentence(fault) for fault in (start, reason) if isinstance(fault, FieldFault)})


def _form(dossier: Dossier, sheet: Sheet) -> Response:
    page = flask.render_template("moving.html", dossier=dossier, sheet=sheet, schedule=proposed_starts())
    return flask.make_response(page, 422 if sheet.faults else 200)


def _confirmation(dossier: Dossier, typed: _Typed) -> Confirmation:
    """Return what the new day means; raises Refused with start-same or settings-too-late."""
    application = dossier.detail.application
    if typed.start == application.start_date:
        raise Refused("start-same")
    with doorway().parts.database.snapshot() as session:
        deadline = settings_deadline(session, application.receipt_number, typed.start, today())
    names = "\n".join(terminal.name for terminal in dossier.detail.terminals) or say(mark("なし"))
    is_later = application.start_date is not None and typed.start > application.start_date
    cautions = [*start_warnings(typed.start, today())]
    if dossier.code_sets:
        cautions.append(say(mark("これまでのコードは使えなくなり、ほかの職員が準備し直します。")))
    if is_later:
        cautions.append(say(mark("取得済みの証明書は、変更後の開始日より前から有効なため、すぐに失効します。元に戻せません。")))
    return Confirmation(
        title=say(mark("利用開始日を変更する")),
        subject=application.receipt_number,
        address=address_of(application.receipt_number),
        button=say(mark("利用開始日を変更する")),
        pairs=(
            *about(dossier),
            (say(mark("対象の端末")), names),
            (say(mark("変更前の利用開始日")), show_day(application.start_date)),
            (say(mark("変更後の利用開始日")), show_day(typed.start)),
            *([(say(mark("システム設定の締切日")), show_day(deadline))] if deadline else []),
            (say(mark("お客様に伝える理由")), typed.reason),
        ),
        notes=(
            say(mark("理由を添えて、申込担当者と管理責任者にメールで知らせます。")),
            say(mark("変更すると、この申込のコードを自分では準備できません。ほかの職員が準備します。")),
        ),
        cautions=tuple(cautions),
        carried=typed.carried,
        is_final=is_later,
    )
