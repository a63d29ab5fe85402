"""Documents as both doors hand them out, and why they do not."""

from collections.abc import Mapping
from http import HTTPStatus

import flask
from werkzeug.wrappers import Response

from webui.refusals import Sentence
from webui.texts import mark

SENTENCES: Mapping[str, Sentence] = {
    "notice-none": Sentence(mark("この申込は承認されていないため、承認通知はありません。"), HTTPStatus.NOT_FOUND),
    "notice-being-made": Sentence(mark("承認通知を作成しています。しばらくしてから、もう一度お試しください。")),
    "notice-early": Sentence(mark("承認通知は、利用開始日(%(start_date)s)から出力できます。")),
    "bill-unknown": Sentence(mark("この月の請求は、まだ確定していません。"), HTTPStatus.NOT_FOUND),
    "notice-ended": Sentence(mark("この申込の承認は取り消されたため、承認通知は出力できません。"), HTTPStatus.NOT_FOUND),
}


def download(content: bytes, name: str) -> Response:
    """Return a PDF to be saved; `name` is ASCII."""
    response = flask.Response(content, content_type="application/pdf")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
