"""クライアント証明書の再発行: asked for by terminal with a reason, confirmed, followed, and taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from enrollment import credentials, reissue_records
from enrollment.credentials import CertificateView
from enrollment.reissue import LONGEST_REMARK
from enrollment.reissue_records import LIFECYCLE, ReissueEvent, ReissueReason, ReissueState, ReissueView
from kernel.errors import Refused
from registry import terminals
from registry.faults import FieldFault
from registry.japanese import free_text
from registry.states import TerminalState
from registry.terminals import Terminal
from webui import guard
from webui.accounts import Right
from webui.doorway import doorway
from webui.portal.parts import office_code, portal
from webui.refusals import SHARED, sentence_of
from webui.reissuing import COMPROMISES, choices, consequences
from webui.sessions import visit
from webui.sheet import Sheet
from webui.texts import mark, say, show_day
from webui.words import fault_sentence

blueprint = flask.Blueprint("reissues", __name__)

_LIVING = (TerminalState.PENDING, TerminalState.IN_SERVICE)
# Such a request ended no certificate, and none ends because of it any more, or not yet.
_UNDONE = (ReissueState.REQUESTED, ReissueState.DECLINED)
_OF_TERMINAL = "/terminals/<string(length=6):terminal>/reissue"
_ONE = "/reissues/<string(length=32):reissue_id>"
_TYPED = ("reason", "remark")
# In the visit: what was typed, until it is asked for.
_KEPT = "reissue"


@dataclass(frozen=True)
class Offer:
    """What a terminal's line says of reissues: the one under way, and whether one may be asked for."""

    open: ReissueView | None
    may_ask: bool


@dataclass(frozen=True)
class Subject:
    """A terminal of the office with its current certificate and the reissue that is under way."""

    terminal: Terminal
    certificate: CertificateView | None
    open: ReissueView | None

    @property
    def reasons(self) -> tuple[ReissueReason, ...]:
        """The reasons that may be given: while a reissue is under way, only the worse news."""
        return COMPROMISES if self.open else tuple(ReissueReason)


@dataclass(frozen=True)
class _Wish:
    """What was typed to ask for a reissue."""

    reason: ReissueReason
    remark: str


def offers(session: Session, those: Sequence[Terminal]) -> dict[str, Offer]:
    """Return what the lines of some terminals say of reissues, by name."""
    under_way = reissue_records.open_of(session, [terminal.name for terminal in those])
    may_apply = guard.person().may(Right.APPLY)
    return {
        terminal.name: Offer(under_way.get(terminal.name), may_apply and terminal.state in _LIVING) for terminal in those
    }  # fmt: skip


@blueprint.get(_OF_TERMINAL)
@guard.customer(right=Right.APPLY)
def ask(terminal: str) -> Response:
    """Ask for the reason of a reissue and tell what it does."""
    subject = _subject(terminal)
    if subject.terminal.state not in _LIVING:
        flask.flash(_told(Refused(f"terminal-{subject.terminal.state.value}")), "warn")
        return flask.redirect(_terminals_tab(), 303)
    return _form(subject, _kept(terminal))


@blueprint.post(_OF_TERMINAL)
@guard.customer(right=Right.APPLY)
def request(terminal: str) -> Response:
    """Lead to the confirmation of what was chosen; ask for the reissue when that is confirmed."""
    subject = _subject(terminal)
    sheet = Sheet({name: flask.request.form.get(name, "") for name in _TYPED})
    wish = _read(subject, sheet)
    if isinstance(wish, Sheet):
        return _form(subject, wish)
    if flask.request.form.get("step") != "do":
        visit()[_KEPT] = {"terminal": terminal, **sheet.values}
        return flask.redirect(flask.url_for("reissues.confirm", terminal=terminal), 303)
    actor, office = guard.person().actor, office_code()
    try:
        asked = portal().reissues.request(terminal, wish.reason, actor, office_code=office, remark=wish.remark)
    except Refused as refused:
        at = "remark" if refused.code == "input-invalid" else "reason"
        return _form(_subject(terminal), sheet.with_faults({at: _told(refused)}))
    visit().pop(_KEPT, None)
    flask.flash(mark("再発行の申込を受け付けました。準備ができましたら、メールと新着情報でお知らせします。"))
    return flask.redirect(flask.url_for("reissues.show", reissue_id=asked.id), 303)


@blueprint.get(_OF_TERMINAL + "/confirm")
@guard.customer(right=Right.APPLY)
def confirm(terminal: str) -> Response | str:
    """Show what was chosen with what it does: a page of its own, so that the browser's Back and reloading do no harm."""
    subject = _subject(terminal)
    wish = _read(subject, _kept(terminal))
    if isinstance(wish, Sheet):
        return flask.redirect(flask.url_for("reissues.ask", terminal=terminal), 303)
    told = consequences(wish.reason, subject.certificate, now := _now())
    return flask.render_template("reissue-confirm.html", subject=subject, wish=wish, consequences=told, now=now)


@blueprint.get(_ONE)
@guard.customer()
def show(reissue_id: str) -> str:
    """Show how far a reissue of the office is, and what comes next."""
    reissue = _own(reissue_id)
    subject, now = _subject(reissue.terminal), _now()
    may_apply = guard.person().may(Right.APPLY)
    is_usable = subject.certificate is not None and subject.certificate.is_usable(now)
    return flask.render_template(
        "reissue.html",
        reissue=reissue,
        subject=subject,
        next_steps=_next_steps(reissue, is_usable=is_usable),
        # Others may have the key, and nothing has ended it.
        is_exposed=is_usable and reissue.reason.is_compromise and reissue.state in _UNDONE,
        may_revoke=may_apply,
        asker=_asker(reissue.requester),
        may_withdraw=may_apply and LIFECYCLE.allows(reissue.state, ReissueEvent.WITHDRAW),
        may_ask=may_apply and subject.terminal.state in _LIVING and (subject.open is None or subject.open == reissue),
        now=now,
    )


@blueprint.get(_ONE + "/withdrawal")
@guard.customer(right=Right.APPLY)
def ask_withdrawal(reissue_id: str) -> Response | str:
    """Ask whether the request shall really be taken back."""
    reissue = _own(reissue_id)
    if not LIFECYCLE.allows(reissue.state, ReissueEvent.WITHDRAW):
        return _arrive(reissue_id, _told(Refused("reissue-state")), "warn")
    has_ended = reissue.state is ReissueState.ACCEPTED and reissue.reason.is_compromise
    return flask.render_template("reissue-withdrawal.html", reissue=reissue, has_ended=has_ended)


@blueprint.post(_ONE + "/withdrawal")
@guard.customer(right=Right.APPLY)
def withdraw(reissue_id: str) -> Response:
    """Take the request back."""
    reissue = _own(reissue_id)
    try:
        portal().reissues.withdraw(reissue_id, guard.person().actor, office_code=office_code())
    except Refused as refused:
        return _arrive(reissue_id, _told(refused), "warn")
    return _arrive(reissue_id, say(mark("端末%(terminal)sの再発行を取り下げました。"), terminal=reissue.terminal), "done")


def _kept(terminal: str) -> Sheet:
    """Return what the visitor typed last to ask for a terminal's reissue."""
    kept = visit().get(_KEPT)
    if not isinstance(kept, dict) or kept["terminal"] != terminal:
        return Sheet()
    return Sheet({name: str(kept[name]) for name in _TYPED})


def _read(subject: Subject, sheet: Sheet) -> _Wish | Sheet:
    """Return what was typed, clean; or the form with its faults."""
    faults = {}
    if sheet["reason"] not in subject.reasons:
        faults["reason"] = say(mark("理由を選択してください。"))
    remark = free_text("remark", sheet["remark"], most=LONGEST_REMARK, required=False)
    if isinstance(remark, FieldFault):
        return sheet.with_faults({**faults, "remark": fault_sentence(remark)})
    return sheet.with_faults(faults) if faults else _Wish(ReissueReason(sheet["reason"]), remark)


def _form(subject: Subject, sheet: Sheet) -> Response:
    now = _now()
    page = flask.render_template(
        "reissue-form.html",
        subject=subject,
        sheet=sheet,
        reasons=choices(subject.reasons),
        consequences=consequences(None, subject.certificate, now),
        longest=LONGEST_REMARK,
        now=now,
    )
    return flask.make_response(page, 422 if sheet.faults else 200)


def _subject(name: str) -> Subject:
    """Read a terminal of the visitor's office; 404 for any other."""
    with doorway().parts.database.snapshot() as session:
        terminal = terminals.get(session, name)
        if terminal is None or terminal.office_code != office_code():
            flask.abort(404)
        return Subject(
            terminal,
            credentials.of_terminals(session, [name]).get(name),
            reissue_records.open_of(session, [name]).get(name),
        )


def _own(reissue_id: str) -> ReissueView:
    """Return a reissue of the visitor's office; 404 for any other."""
    with doorway().parts.database.snapshot() as session:
        reissue = reissue_records.find(session, reissue_id)
    if reissue is None or reissue.office_code != office_code():
        flask.abort(404)
    return reissue


def _next_steps(reissue: ReissueView, *, is_usable: bool) -> tuple[str, ...]:
    """Return what comes next, in the order in which it is done, finished sentences; nothing when it is over.

    `is_usable` says whether the present certificate logs on.
    """
    if reissue.state is ReissueState.REQUESTED:
        return (say(mark("センターが内容を確認しています。結果はメールと新着情報でお知らせします。")),)
    if reissue.state is ReissueState.ACCEPTED:
        ready_on = show_day(reissue.ready_on)
        told = say(mark("センターがコードを準備しています。%(day)s以降に取得できるようになります。"), day=ready_on)
        return (told, say(mark("準備ができると、メールと新着情報でお知らせします。")))
    if reissue.state is not ReissueState.PREPARED:
        return ()
    swap = (mark("取得するまで、これまでのパソコンでログオンできます。"),) if is_usable else ()
    ends = (
        mark("取得した時点で、前の証明書は失効します。新しい端末アクセスキーでログオンします。")
        if is_usable
        else mark("取得すると、新しい端末アクセスキーでログオンできます。")
    )
    return (
        say(mark("「ID通知内容」で、新しい端末アクセスキーと認証コードを確認します。")),
        say(mark("新しく使うパソコンで、%(day)sまでに証明書を取得します。"), day=show_day(reissue.ends_on)),
        *(say(one) for one in swap),
        say(ends),
    )


def _asker(actor: str) -> str:
    """Return who asked, as the office may know it."""
    kind, _, name = actor.partition(":")
    if kind == "customer":
        return name.rpartition("/")[2]
    return say(mark("端末")) if kind == "terminal" else say(mark("センター"))


def _arrive(reissue_id: str, sentence: str, tone: str) -> Response:
    flask.flash(sentence, tone)
    return flask.redirect(flask.url_for("reissues.show", reissue_id=reissue_id), 303)


def _terminals_tab() -> str:
    return flask.url_for("contract.show", tab="netnaccs")


def _told(refused: Refused) -> str:
    return sentence_of({**SHARED, **doorway().furnishing.sentences}, refused)


def _now() -> datetime:
    return doorway().parts.clock.now()
