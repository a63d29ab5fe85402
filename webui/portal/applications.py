"""申込内容の確認: the office's applications, one of them, its answer to the center and its withdrawal."""

import flask
from werkzeug.wrappers import Response

from enrollment import id_notices
from registry import applications, drafts, news, offices
from registry.applications import Detail, Wanted
from registry.faults import Invalid
from registry.items import ITEMS
from registry.states import APPLICATION, ApplicationEvent, ApplicationState
from webui import guard
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal import news as lines
from webui.portal import sending
from webui.portal.parts import customer, office_code, portal
from webui.portal.wizard import sheet_of
from webui.sheet import Sheet
from webui.texts import mark

blueprint = flask.Blueprint("applications", __name__, url_prefix="/applications")

_PAGE = 20
_APPROVED = (ApplicationState.APPROVED, ApplicationState.PREPARED)
_UNDER_WAY = (ApplicationState.APPLIED, ApplicationState.QUERIED, *_APPROVED)
# What the list can be narrowed to: name and states.
STAGES = {
    "review": (mark("審査中"), (ApplicationState.APPLIED,)),
    "queried": (mark("確認事項あり"), (ApplicationState.QUERIED,)),
    "approved": (mark("審査終了(開始日待ち)"), _APPROVED),
    "completed": (mark("完了"), (ApplicationState.COMPLETED,)),
    "ended": (
        mark("取下げ・不承認・無効・取消し"),
        tuple(state for state in ApplicationState if state not in (*_UNDER_WAY, ApplicationState.COMPLETED)),
    ),
}


@blueprint.get("")
@guard.customer()
def listed() -> str:
    """Show the office's applications, newest first; those of a state, with an item, or that were searched for."""
    query = flask.request.args
    asked = {name: query.get(name, "").strip() for name in ("q", "state", "item")}
    states = STAGES[asked["state"]][1] if asked["state"] in STAGES else ()
    wanted = Wanted(states, asked["item"] if asked["item"] in ITEMS else "", asked["q"])
    with doorway().parts.database.snapshot() as session:
        found = applications.of_office(session, office_code(), wanted, page=query.get("page", 1, type=int), size=_PAGE)
    return flask.render_template("applications.html", found=found, asked=asked, stages=STAGES, items=ITEMS)


@blueprint.get("/<string(length=7):receipt_number>")
@guard.customer()
def show(receipt_number: str) -> str:
    """Show one application."""
    return _page(receipt_number, Sheet())


@blueprint.post("/<string(length=7):receipt_number>")
@guard.customer(right=Right.APPLY, takes_files=True)
def answer(receipt_number: str) -> Response:
    """Answer the center's question, with files if some were chosen."""
    typed = {"answer": flask.request.form.getlist("answer")}
    try:
        with portal().attachments.sent(sending.chosen()) as sent:
            portal().applications.answer(customer(), receipt_number, flask.request.form.get("answer", ""), sent)
    except Invalid as invalid:
        return flask.make_response(_page(receipt_number, sheet_of(typed, invalid.faults)), 422)
    flask.flash(mark("回答を送信しました。審査結果のお知らせをお待ちください。"))
    return _to(receipt_number)


@blueprint.get("/<string(length=7):receipt_number>/withdrawal")
@guard.customer(right=Right.APPLY)
def ask_withdrawal(receipt_number: str) -> Response | str:
    """Ask whether the application shall really be withdrawn."""
    found = _own(receipt_number)
    if not APPLICATION.allows(found.application.state, ApplicationEvent.WITHDRAW):
        return _to(receipt_number)
    return flask.render_template("application-withdrawal.html", found=found, sheet=Sheet())


@blueprint.post("/<string(length=7):receipt_number>/withdrawal")
@guard.customer(right=Right.APPLY)
def withdraw(receipt_number: str) -> Response:
    """Withdraw the application."""
    typed = {"reason": flask.request.form.getlist("reason")}
    try:
        portal().applications.withdraw(customer(), receipt_number, flask.request.form.get("reason", ""))
    except Invalid as invalid:
        sheet = sheet_of(typed, invalid.faults)
        page = flask.render_template("application-withdrawal.html", found=_own(receipt_number), sheet=sheet)
        return flask.make_response(page, 422)
    flask.flash(mark("申込を取り下げました。"))
    return _to(receipt_number)


def _own(receipt_number: str) -> Detail:
    with doorway().parts.database.snapshot() as session:
        found = applications.detail(session, receipt_number, office_code=office_code())
    if found is None:
        flask.abort(404)
    return found


def _page(receipt_number: str, sheet: Sheet) -> str:
    with doorway().parts.database.snapshot() as session:
        found = applications.detail(session, receipt_number, office_code=office_code()) or flask.abort(404)
        history = news.search(session, office_code(), receipt_number=receipt_number).records
        office = offices.get(session, office_code()) or flask.abort(404)
        notice = id_notices.is_there(session, receipt_number, office_code())
        standing = portal().documents.standing_in(session, found.application)
        correction = drafts.load(session, customer(), found.application.kind, receipt_number)
    return flask.render_template(
        "application.html",
        found=found,
        office=office,
        sheet=sheet,
        history=history,
        lines=lines,
        notice=notice,
        standing=standing,
        may_withdraw=APPLICATION.allows(found.application.state, ApplicationEvent.WITHDRAW),
        is_queried=found.application.state is ApplicationState.QUERIED,
        correction=correction,
        file_url=lambda file_id: flask.url_for("sending.read", receipt_number=receipt_number, file_id=file_id),
        sender=_user_of,
        **sending.facts(found.files),
    )


def _user_of(actor: str) -> str:
    """Return the log-in name of one of the office's users, as the audit log names them."""
    return actor.rpartition("/")[2]


def _to(receipt_number: str) -> Response:
    return flask.redirect(flask.url_for("applications.show", receipt_number=receipt_number), 303)
