"""Why a document can not be had yet, or any more, at either door."""

from collections.abc import Mapping
from http import HTTPStatus

from webui.refusals import Sentence
from webui.texts import mark

SENTENCES: Mapping[str, Sentence] = {
    "notice-none": Sentence(mark("この申込は承認されていないため、承認通知はありません。"), HTTPStatus.NOT_FOUND),
    "notice-being-made": Sentence(mark("承認通知を作成しています。しばらくしてから、もう一度お試しください。")),
    "notice-early": Sentence(mark("承認通知は、利用開始日(%(start_date)s)から出力できます。")),
    "bill-unknown": Sentence(mark("この月の請求は、まだ確定していません。"), HTTPStatus.NOT_FOUND),
    "notice-ended": Sentence(mark("この申込の承認は取り消されたため、承認通知は出力できません。"), HTTPStatus.NOT_FOUND),
}
