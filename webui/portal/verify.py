"""The public page that tells whose an approval notice is, and whether it is whole. Nothing that is uploaded is stored."""

from collections.abc import Mapping
from http import HTTPStatus

import flask
from werkzeug.wrappers import Response

from enrollment.documents.verification import LARGEST, Report, Standing, Verdict
from kernel.errors import Refused
from webui import guard
from webui.accounts import network_of
from webui.portal.parts import portal
from webui.refusals import SHARED, Sentence, sentence_of
from webui.sheet import Sheet
from webui.texts import mark

blueprint = flask.Blueprint("verify", __name__, url_prefix="/verify")

SENTENCES: Mapping[str, Sentence] = {
    "file-missing": Sentence(mark("確認するPDFファイルを選択してください。"), HTTPStatus.UNPROCESSABLE_ENTITY),
    "file-not-pdf": Sentence(
        mark("PDFファイルではありません。承認通知のPDFファイルを選択してください。"), HTTPStatus.UNPROCESSABLE_ENTITY
    ),
    "file-too-large": Sentence(
        mark("ファイルが大きすぎます(%(most)sMBまで)。承認通知のPDFファイルを選択してください。"),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ),
}
# What the page says first of a file, and in which colour.
HEADLINES: Mapping[Verdict, tuple[str, str]] = {
    Verdict.GENUINE: (mark("当センターが発行した承認通知です。改変されていません。"), "done"),
    Verdict.ALTERED: (
        mark("当センターの署名がありますが、発行したままの承認通知ではありません。信用しないでください。"),
        "fault",
    ),
    Verdict.FOREIGN: (
        mark("署名がありますが、当センターの署名ではありません。当センターの発行した文書ではありません。"),
        "fault",
    ),
    Verdict.UNSIGNED: (mark("署名がありません。当センターの発行した承認通知ではありません。"), "fault"),
    Verdict.UNREADABLE: (mark("このファイルはPDFとして読み取れません。壊れているか、パスワードで保護されています。"), "fault"),
}
STANDINGS: Mapping[Standing, tuple[str, str]] = {
    Standing.CURRENT: (mark("この承認は現在も有効です。"), "good"),
    Standing.SUPERSEDED: (mark("利用開始日が変更されたため、この通知は新しい承認通知に置き換えられました。"), "warn"),
    Standing.ENDED: (mark("この承認は、その後取り消されたか、無効になりました。"), "bad"),
}


@blueprint.get("")
@guard.public
def ask() -> str:
    """Show the form."""
    return _page(Sheet())


@blueprint.post("")
@guard.public_file(LARGEST)
def judge() -> Response | str:
    """Tell what the sent file is."""
    sent = flask.request.files.get("document")
    try:
        report = portal().verification.judge(sent.read() if sent else b"", network_of(flask.request.remote_addr))
    except Refused as refused:
        sentences = {**SHARED, **SENTENCES}
        page = _page(Sheet().with_faults({"document": sentence_of(sentences, refused)}))
        response = flask.make_response(page, sentences[refused.code].status if refused.code in sentences else 422)
        if "retry_after" in refused.facts:
            response.headers["Retry-After"] = str(refused.facts["retry_after"])
        return response
    return _page(Sheet(), report)


def _page(sheet: Sheet, report: Report | None = None) -> str:
    return flask.render_template(
        "verify.html",
        sheet=sheet,
        report=report,
        headline=HEADLINES[report.verdict] if report else None,
        standing=STANDINGS[report.issued.standing] if report and report.issued else None,
        most=LARGEST // 2**20,
    )
