"""再発行の依頼: codes that did not arrive or were lost, or a certificate that is of no use any more, asked for anew."""

import flask
from werkzeug.wrappers import Response

from enrollment.reissue import LONGEST_REMARK
from enrollment.reissue_letters import REASONS
from enrollment.reissue_records import ReissueReason
from kernel.errors import Refused
from webui import guard
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal.id_notice import OF_APPLICATION, OF_TAKEN_OVER, line_of
from webui.portal.parts import office_code, portal
from webui.refusals import SHARED, sentence_of
from webui.sheet import Sheet
from webui.texts import language, mark, say

blueprint = flask.Blueprint("lost_codes", __name__)

_REISSUE = "/<string(length=6):terminal>/reissue"
_NO_NUMBER: dict[str, str | None] = {"receipt_number": None}


@blueprint.get(OF_TAKEN_OVER + _REISSUE, defaults=_NO_NUMBER)
@blueprint.get(OF_APPLICATION + _REISSUE)
@guard.customer(right=Right.APPLY)
def ask(receipt_number: str | None, terminal: str) -> Response:
    """Ask for the reason of a reissue."""
    return _form(receipt_number, terminal, Sheet({"reason": "", "remark": ""}))


@blueprint.post(OF_TAKEN_OVER + _REISSUE, defaults=_NO_NUMBER)
@blueprint.post(OF_APPLICATION + _REISSUE)
@guard.customer(right=Right.APPLY)
def request(receipt_number: str | None, terminal: str) -> Response:
    """Ask for a reissue of the terminal."""
    line_of(receipt_number, terminal)
    form = flask.request.form
    sheet = Sheet({"reason": form.get("reason", ""), "remark": form.get("remark", "").strip()})
    if sheet["reason"] not in tuple(ReissueReason):
        return _form(receipt_number, terminal, sheet.with_faults({"reason": say(mark("理由を選択してください。"))}))
    try:
        portal().reissues.request(
            terminal,
            ReissueReason(sheet["reason"]),
            guard.person().actor,
            office_code=office_code(),
            remark=sheet["remark"],
        )
    except Refused as refused:
        at = "remark" if refused.code == "input-invalid" else "reason"
        sentences = {**SHARED, **doorway().furnishing.sentences}
        return _form(receipt_number, terminal, sheet.with_faults({at: sentence_of(sentences, refused)}))
    flask.flash(mark("再発行のお申込を受け付けました。準備ができましたら、メールと新着情報でお知らせします。"))
    return flask.redirect(flask.url_for("id_notice.show", receipt_number=receipt_number), 303)


def _form(receipt_number: str | None, terminal: str, sheet: Sheet) -> Response:
    words = [(reason.value, REASONS[reason][language() == "en"]) for reason in ReissueReason]
    page = flask.render_template(
        "id-notice-reissue.html",
        receipt_number=receipt_number,
        line=line_of(receipt_number, terminal),
        sheet=sheet,
        reasons=[("", say(mark("選択してください"))), *words],
        longest=LONGEST_REMARK,
    )
    return flask.make_response(page, 422 if sheet.faults else 200)
