"""証明書の一括取得: files to make requests by, requests sent together, confirmed once, and a report with the certificates."""

from collections.abc import Mapping
from pathlib import PurePath

import flask
from werkzeug.wrappers import Response

from enrollment.batches import packages, records
from enrollment.batches.records import Batch, BatchState, Item, ItemState
from enrollment.batches.uploads import MOST
from enrollment.protocols import problems
from kernel.errors import Refused
from registry.japanese import half_width
from webui import downloads, guard, step_up
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal.parts import office_code, portal
from webui.refusals import SHARED, sentence_of
from webui.sheet import Sheet
from webui.texts import gettext, language, mark, say
from webui.words import Label

blueprint = flask.Blueprint("batches", __name__, url_prefix="/batches")

STATES: Mapping[ItemState, Label] = {
    ItemState.READY: Label(mark("確認待ち"), "info"),
    ItemState.CONFIRMED: Label(mark("取得処理中"), "info"),
    ItemState.DONE: Label(mark("取得済み"), "good"),
    ItemState.REFUSED: Label(mark("取得できません"), "bad"),
    ItemState.CANCELLED: Label(mark("取りやめ")),
}
# Why a file is of no use, and what to do: what the redemption itself refuses is told in its own words.
REASONS: Mapping[str, str] = {
    "batch-expired": mark("確認から24時間以内に処理できませんでした。もう一度送信してください。"),
    "batch-item-damaged": mark("このCSRの記録を読み取れないため、取得していません。もう一度送信してください。"),
    "codes-none": mark(
        "取得できるコードがこの端末にありません。論理端末名を確認してください。取得済みの端末は、再発行を申し込んでください。"
    ),
    "codes-split": mark("コードを二人に分けて表示する契約では、一括取得を利用できません。端末ごとに取得してください。"),
    "csr-nameless": mark("どの端末のCSRかわかりません。ファイル名を論理端末名(例: 99999W.csr)にして、もう一度送信してください。"),
    "csr-names-differ": mark(
        "ファイル名とCSRの中の論理端末名(%(subject)s)が違います。ファイルを取り違えていないか確認してください。"
    ),
    "csr-twice": mark("同じ端末のCSRが2つ以上あります。使う方だけを送信してください。"),
    "key-used": mark("この鍵は、ほかの証明書またはほかの端末のCSRで使われています。端末ごとに新しい鍵を作成してください。"),
}
_PAGE = 100


@blueprint.get("")
@guard.customer(right=Right.CODES)
def listed() -> str:
    """Show the steps: files for chosen terminals, the upload, and the latest batches."""
    return _start(Sheet())


@blueprint.post("/scripts")
@guard.customer(right=Right.CODES)
def scripts() -> Response:
    """Give the files of the chosen terminals of the office; no code is in them."""
    asked = set(flask.request.form.getlist("terminal"))
    with doorway().parts.database.snapshot() as session:
        found = records.retrievable(session, office_code(), size=_LARGEST)
    chosen = [one.terminal for one in found.records if one.terminal in asked][:MOST]
    if not chosen:
        return flask.make_response(_start(Sheet().with_faults({"terminals": say(mark("端末を1台以上選択してください。"))})), 422)
    parts = portal()
    return _zip(packages.scripts(parts.scripts, doorway().parts.settings.public_url, chosen), f"{office_code()}-scripts.zip")


@blueprint.post("/upload")
@guard.customer(right=Right.CODES)
def upload() -> Response:
    """Take requests, as files or in a ZIP, and show what was understood of them."""
    files = [
        (PurePath(file.filename or "").name if "\\" not in (file.filename or "") else (file.filename or ""), file.read())
        for file in flask.request.files.getlist("requests")
    ]
    try:
        batch_id = portal().batches.upload(office_code(), files, guard.person().actor)
    except Refused as refused:
        fault = sentence_of({**SHARED, **doorway().furnishing.sentences}, refused)
        return flask.make_response(_start(Sheet().with_faults({"requests": fault})), 422)
    return _to(batch_id)


@blueprint.get("/<string(length=32):batch_id>")
@guard.customer(right=Right.CODES)
def show(batch_id: str) -> str:
    """Show a batch: what is to be confirmed, how far it is, or its report."""
    return _page(batch_id)


@blueprint.post("/<string(length=32):batch_id>/confirm")
@guard.customer(right=Right.CODES)
def confirm(batch_id: str) -> Response:
    """Let a batch be redeemed, after proving once more who one is."""
    _own(batch_id)
    back = flask.url_for("batches.show", batch_id=batch_id)
    if (question := step_up.question(button=say(mark("証明書を取得する")), back=back)) is not None:
        return question
    source = flask.request.remote_addr or ""
    portal().batches.confirm(batch_id, office_code(), guard.person().actor, source=source)
    flask.flash(mark("証明書の取得を始めました。この画面で進み具合を確認できます。"))
    return _to(batch_id)


@blueprint.post("/<string(length=32):batch_id>/cancel")
@guard.customer(right=Right.CODES)
def cancel(batch_id: str) -> Response:
    """Leave what was not redeemed yet unredeemed."""
    portal().batches.cancel(batch_id, office_code(), guard.person().actor)
    flask.flash(mark("一括取得を取りやめました。取得済みの証明書は、そのまま使えます。"))
    return _to(batch_id)


@blueprint.get("/<string(length=32):batch_id>/certificates.zip")
@guard.customer(right=Right.CODES)
def certificates(batch_id: str) -> Response:
    """Give all certificates that a batch brought."""
    return _zip(portal().batches.certificates(batch_id, office_code()), f"{office_code()}-certificates.zip")


def why(item: Item) -> str:
    """Return why a request was refused and what to do, in the reader's language."""
    if item.reason is None:
        return ""
    if item.reason in REASONS:
        return say(REASONS[item.reason], **item.facts)
    told = problems.tell(item.reason, item.facts)
    return told.english if language() == "en" else told.japanese


# An office has thousands of terminals at most: all of them are looked at when some were chosen.
_LARGEST = 100_000


def _start(sheet: Sheet) -> str:
    text = half_width(flask.request.args.get("q", ""))[:6]
    with doorway().parts.database.snapshot() as session:
        page = flask.request.args.get("page", 1, type=int)
        found = records.retrievable(session, office_code(), text=text, page=page, size=_PAGE)
        batches = records.listed(session, office_code())
    return flask.render_template("batches.html", found=found, batches=batches, sheet=sheet, text=text, most=MOST, title_of=_title)


def _page(batch_id: str) -> str:
    batch = _own(batch_id)
    with doorway().parts.database.snapshot() as session:
        items = records.items(session, batch_id)
    return flask.render_template(
        "batch.html",
        batch=batch,
        items=items,
        labels=STATES,
        why=why,
        title=_title(batch),
        is_uploaded=batch.state is BatchState.UPLOADED,
        is_working=batch.state is BatchState.CONFIRMED and not batch.is_finished,
        is_cancelled=batch.state is BatchState.CANCELLED,
    )


def _title(batch: Batch) -> Label:
    """Return where a batch is, in a word."""
    if batch.state is BatchState.UPLOADED:
        return Label(gettext(mark("確認待ち")), "warn")
    if batch.state is BatchState.CANCELLED:
        return Label(gettext(mark("取りやめ")))
    return Label(gettext(mark("完了")), "good") if batch.is_finished else Label(gettext(mark("処理中")), "info")


def _own(batch_id: str) -> Batch:
    with doorway().parts.database.snapshot() as session:
        found = records.find(session, batch_id, office_code())
    if found is None:
        flask.abort(404)
    return found


def _zip(content: bytes, name: str) -> Response:
    return downloads.file(content, "application/zip", name)


def _to(batch_id: str) -> Response:
    return flask.redirect(flask.url_for("batches.show", batch_id=batch_id), 303)
