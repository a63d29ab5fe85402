"""ID通知内容: what is needed to retrieve certificates. Codes are hidden until asked for, and each showing is on record."""

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache

import flask
import segno
from werkzeug.wrappers import Response

from enrollment import credentials, receipts
from enrollment.disclosure import ShownCodes
from enrollment.id_notices import IdNotice, NoticeLine
from kernel.errors import Refused
from registry import offices, terminals
from webui import downloads, guard, step_up
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal.parts import office_code, portal
from webui.texts import mark, say

blueprint = flask.Blueprint("id_notice", __name__)

# A notice is one application's; that of terminals which were taken over has no receipt number.
OF_APPLICATION = "/applications/<string(length=7):receipt_number>/id-notice"
OF_TAKEN_OVER = "/id-notice"
_TERMINAL = "/<string(length=6):terminal>"
_NO_NUMBER: dict[str, str | None] = {"receipt_number": None}


@blueprint.get(OF_TAKEN_OVER, defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION)
@guard.customer()
def show(receipt_number: str | None) -> Response | str:
    """Show the notice, codes hidden; news of codes that were cancelled since lead to the application."""
    page = _page(receipt_number, {})
    if page is None and receipt_number is not None:
        return flask.redirect(flask.url_for("applications.show", receipt_number=receipt_number), 303)
    return page or flask.abort(404)


@blueprint.post(OF_TAKEN_OVER, defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION)
@guard.customer(right=Right.CODES)
def show_codes(receipt_number: str | None) -> Response | str:
    """Show the notice with what the visitor may see of the asked terminals' codes: in the answer, never in an address."""
    asked = set(flask.request.form.getlist("terminal"))
    notice = own(receipt_number)
    lines = [line for line in notice.terminals if line.terminal in asked and line.showable and line.part]
    if lines and (question := _question(receipt_number)) is not None:
        return question
    actor = guard.person().actor
    codes = {}
    for line in lines:
        # Redeemed or frozen since the page was read: the page says so, and the others' codes are shown all the same.
        with suppress(Refused):
            codes[line.terminal] = portal().notices.reveal(receipt_number, office_code(), line.terminal, actor)
    return _page(receipt_number, codes) or flask.abort(404)


@blueprint.get(OF_TAKEN_OVER + "/freeze", defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION + "/freeze")
@guard.customer()
def ask_freeze_all(receipt_number: str | None) -> str:
    """Ask whether all codes of the notice shall be frozen; the mail about the codes leads here."""
    lines = [line for line in own(receipt_number).terminals if line.freezable]
    return flask.render_template("id-notice-freeze.html", receipt_number=receipt_number, lines=lines, terminal=None)


@blueprint.post(OF_TAKEN_OVER + "/freeze", defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION + "/freeze")
@guard.customer()
def freeze_all(receipt_number: str | None) -> Response:
    """Freeze all codes of the notice that can still be redeemed; anyone of the office may."""
    own(receipt_number)
    frozen = portal().notices.freeze_all(receipt_number, office_code(), guard.person().actor)
    return _arrive(receipt_number, FROZEN if frozen else mark("凍結できるコードはありませんでした。"))


@blueprint.get(OF_TAKEN_OVER + _TERMINAL + "/freeze", defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION + _TERMINAL + "/freeze")
@guard.customer()
def ask_freeze(receipt_number: str | None, terminal: str) -> str:
    """Ask whether the terminal's codes shall really be frozen."""
    line = line_of(receipt_number, terminal)
    if not line.freezable:
        flask.abort(404)
    return flask.render_template("id-notice-freeze.html", receipt_number=receipt_number, lines=[line], terminal=terminal)


@blueprint.post(OF_TAKEN_OVER + _TERMINAL + "/freeze", defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION + _TERMINAL + "/freeze")
@guard.customer()
def freeze(receipt_number: str | None, terminal: str) -> Response:
    """Freeze the terminal's codes; anyone of the office may."""
    portal().notices.freeze(receipt_number, office_code(), terminal, guard.person().actor)
    return _arrive(receipt_number, FROZEN)


@blueprint.get(OF_TAKEN_OVER + _TERMINAL + "/consent", defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION + _TERMINAL + "/consent")
@guard.customer(right=Right.ADMINISTRATOR)
def ask_consent(receipt_number: str | None, terminal: str) -> str:
    """Ask the administrator whether frozen codes shall be redeemed again."""
    line = line_of(receipt_number, terminal)
    if line.freeze is None:
        flask.abort(404)
    return flask.render_template("id-notice-consent.html", receipt_number=receipt_number, line=line)


@blueprint.post(OF_TAKEN_OVER + _TERMINAL + "/consent", defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION + _TERMINAL + "/consent")
@guard.customer(right=Right.ADMINISTRATOR)
def consent(receipt_number: str | None, terminal: str) -> Response:
    """Take the administrator's consent."""
    is_lifted = portal().notices.consent(receipt_number, office_code(), terminal, guard.person().actor)
    waiting = mark("凍結の解除に同意しました。センターが確認すると、凍結が解除されます。")
    return _arrive(receipt_number, mark("凍結を解除しました。") if is_lifted else waiting)


@blueprint.get("/receipts/<string(length=6):terminal>/<serial>")
@guard.customer()
def receipt(terminal: str, serial: str) -> Response:
    """Hand out the receipt of one of the office's retrievals: JSON that proves it to be in the public log."""
    with doorway().parts.database.snapshot() as session:
        text = receipts.text_of(session, terminal, serial, office_code())
    return downloads.file(text or flask.abort(404), "application/json", receipts.file_name(terminal, serial))


FROZEN = mark("認証コードを凍結しました。管理責任者と申込担当者にメールで知らせます。")


def own(receipt_number: str | None) -> IdNotice:
    """Return a notice of the visitor's office; 404 for any other."""
    return _notice(receipt_number) or flask.abort(404)


def line_of(receipt_number: str | None, terminal: str) -> NoticeLine:
    """Return one terminal of such a notice; 404 for any other."""
    return next((line for line in own(receipt_number).terminals if line.terminal == terminal), None) or flask.abort(404)


def _notice(receipt_number: str | None) -> IdNotice | None:
    return portal().notices.notice(receipt_number, office_code(), reader=guard.person().actor)


def _arrive(receipt_number: str | None, sentence: str) -> Response:
    flask.flash(sentence)
    return flask.redirect(flask.url_for("id_notice.show", receipt_number=receipt_number), 303)


def _question(receipt_number: str | None) -> Response | None:
    """Return the page that asks for the second factor; None once it was shown a short while ago."""
    back = flask.url_for("id_notice.show", receipt_number=receipt_number)
    return step_up.question(button=say(mark("コードを表示する")), back=back, anchor="codes")


def _page(receipt_number: str | None, codes: Mapping[str, ShownCodes]) -> str | None:
    """Return the page of a notice of the visitor's office with the codes that are shown; None where there is none."""
    with doorway().parts.database.snapshot() as session:
        notice = portal().notices.notice_in(session, receipt_number, office_code(), reader=guard.person().actor)
        if notice is None:
            return None
        names = [line.terminal for line in notice.terminals]
        office = offices.get(session, notice.office_code)
        kinds = terminals.named(session, names)
        certificates = credentials.of_terminals(session, names)
        proven = receipts.newest_of(session, names, notice.office_code)
    address = f"{portal().retrieval_url}/retrieve?office_code={notice.office_code}"
    return flask.render_template(
        "id-notice.html",
        notice=notice,
        codes=codes,
        office=office,
        kinds=kinds,
        classes=dict.fromkeys(kind.system_class for kind in kinds.values()),
        certificates=certificates,
        receipts=proven,
        retrieval_url=portal().retrieval_url,
        picture=_picture(address),
        now=doorway().parts.clock.now(),
        owner=_owner,
    )


@lru_cache(maxsize=1_000)
def _picture(address: str) -> str:
    """Return the code that a telephone reads an address from; drawing it takes longer than the rest of the page."""
    return segno.make(address, error="m", micro=False).svg_inline(omitsize=True, border=2)


def _owner(line: NoticeLine, name: str) -> str:
    """Return whose half a code belongs to, where the contract splits them."""
    if name != "auth_code_3":
        return say(mark("管理責任者に表示します"))
    if line.applicant is None:
        return say(mark("管理責任者以外の方に表示します"))
    return say(mark("申込者(%(login)s)に表示します"), login=line.applicant.rpartition("/")[2])
