"""What staff do to reissues: accept, decline, take back, prepare the codes; and ask for one in an office's place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import flask
from werkzeug.wrappers import Response

from enrollment.credentials import CertificateView
from enrollment.reissue import LONGEST_REMARK, ReissuePreparation
from enrollment.reissue_records import OPEN, ReissueReason, ReissueState
from kernel.errors import Refused
from registry.faults import FieldFault
from registry.japanese import free_text
from webui import guard, refusals
from webui.accounts import Role
from webui.center import deeds, reissues, terminals
from webui.center.deeds import Confirmation
from webui.center.parts import center
from webui.center.reissues import ReissueFile
from webui.center.sentences import SENTENCES, in_words
from webui.center.terminals import TerminalFile
from webui.doorway import doorway
from webui.refusals import Sentence
from webui.reissuing import COMPROMISES, STATES, choices, consequences, reason_name
from webui.sheet import Sheet
from webui.terminal_words import terminal_label
from webui.texts import gettext, mark, say, show_day, show_instant
from webui.words import certificate_label

blueprint = flask.Blueprint("reissue_deeds", __name__)

# What these refusals say here; of applications they say something else.
_OWN: Mapping[str, Sentence] = {
    "same-person": Sentence(
        mark("この再発行を申し込んだ職員と承認した職員は、コードを準備できません。ほかの職員が準備してください。")
    ),
    "terminal-suspended": Sentence(mark("端末%(terminal)sは停止中です。停止を解除してから操作してください。")),
    "terminal-abolished": Sentence(mark("端末%(terminal)sは廃止されています。")),
    "reissue-state": Sentence(mark("再発行の状態が変わったため、この操作はできません。現在の状態を確認してください。")),
    "reissue-not-ready": Sentence(mark("コードは%(ready_on)sから準備できます。")),
    "reissue-open": Sentence(mark("端末%(terminal)sの再発行は、すでに手続き中です。")),
    "input-invalid": Sentence(mark("入力した内容に、使えない文字が含まれています。")),
}


@blueprint.route("/reissues/<reissue_id>/accept", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def accept(reissue_id: str) -> Response | str:
    """Accept a request; a key that others may have is revoked with it."""
    file, address = reissues.of(reissue_id), _address(reissue_id)
    reissue = file.reissue
    if deeds.is_sent():

        def act() -> str:
            accepted = center().reissues.accept(reissue_id, guard.person().actor)
            ready_on = show_day(accepted.ready_on)
            return say(
                mark("端末%(name)sの再発行を承認しました。コードは%(day)s以降に準備できます。"),
                name=reissue.terminal,
                day=ready_on,
            )

        return _carry_out(act, address)
    if not reissues.possible(file).accept:
        return deeds.arrive(address, _wrong_state(), deeds.REFUSED)
    ends_at_once = reissue.reason.is_compromise and file.certificate is not None
    return deeds.show(
        Confirmation(
            title=say(mark("再発行を承認する")),
            subject=reissue.terminal,
            address=address,
            button=say(mark("承認する")),
            pairs=_about(file),
            notes=(
                *consequences(reissue.reason, file.certificate, doorway().parts.clock.now()),
                say(mark("管理責任者にメールで知らせます。コードは、あなた以外の発行担当が準備します。")),
            ),
            cautions=(say(mark("承認すると、今の証明書はすぐに失効します。失効は元に戻せません。")),) if ends_at_once else (),
            is_final=ends_at_once,
        )
    )


@blueprint.route("/reissues/<reissue_id>/decline", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def decline(reissue_id: str) -> Response | str:
    """Turn a request down, with a reason that is mailed."""
    file, address = reissues.of(reissue_id), _address(reissue_id)
    if not (deeds.is_sent() or reissues.possible(file).decline):
        return deeds.arrive(address, _wrong_state(), deeds.REFUSED)
    why = _answer()
    if isinstance(why, Sheet):
        page = flask.render_template("reissue-declining.html", file=file, sheet=why, pairs=_about(file), longest=LONGEST_REMARK)
        return flask.make_response(page, 422 if why.faults else 200)
    if not deeds.is_confirmed():
        return deeds.show(
            Confirmation(
                title=say(mark("再発行を不承認にする")),
                subject=file.reissue.terminal,
                address=address,
                button=say(mark("不承認にする")),
                pairs=(*_about(file), (say(mark("お客様に伝える理由")), why)),
                notes=(
                    say(mark("理由を添えて、管理責任者にメールで知らせます。")),
                    say(mark("今の証明書とコードは、そのまま使えます。")),
                ),
                cautions=(say(mark("元に戻せません。お客様は、あらためて申し込むことになります。")),),
                carried={"answer": why},
                is_final=True,
            )
        )

    def act() -> str:
        center().reissues.decline(reissue_id, why, guard.person().actor)
        return say(mark("端末%(name)sの再発行を不承認にしました。"), name=file.reissue.terminal)

    return _carry_out(act, address)


@blueprint.route("/reissues/<reissue_id>/withdraw", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def withdraw(reissue_id: str) -> Response | str:
    """Take a reissue back because the office wishes it, or because it was asked for by mistake."""
    file, address = reissues.of(reissue_id), _address(reissue_id)
    if deeds.is_sent():

        def act() -> str:
            center().reissues.withdraw(reissue_id, guard.person().actor)
            return say(mark("端末%(name)sの再発行を取り下げました。"), name=file.reissue.terminal)

        return _carry_out(act, address)
    if not reissues.possible(file).withdraw:
        return deeds.arrive(address, _wrong_state(), deeds.REFUSED)
    has_ended = file.reissue.state is ReissueState.ACCEPTED and file.reissue.reason.is_compromise
    stays = (
        mark("承認したときに失効した証明書は、失効したままです。")
        if has_ended
        else mark("今の証明書とコードは、そのまま使えます。")
    )
    return deeds.show(
        Confirmation(
            title=say(mark("再発行を取り下げる")),
            subject=file.reissue.terminal,
            address=address,
            button=say(mark("取り下げる")),
            pairs=_about(file),
            notes=(
                say(mark("お客様からの依頼、または職員の誤りのときに取り下げます。お客様には新着情報で知らせます。")),
                gettext(stays),
            ),
        )
    )


@blueprint.route("/reissues/<reissue_id>/codes", methods=["GET", "POST"])
@guard.staff(Role.ISSUING)
def prepare(reissue_id: str) -> Response | str:
    """Prepare the codes of an accepted reissue; nobody who asked for it or accepted it can."""
    file, address = reissues.of(reissue_id), _address(reissue_id)
    if deeds.is_sent():

        def act() -> str:
            ReissuePreparation(center().preparation).prepare(reissue_id, guard.person().actor)
            return say(mark("端末%(names)sのコードを準備しました。お客様にメールでお知らせします。"), names=file.reissue.terminal)

        return _carry_out(act, address)
    if file.reissue.state is not ReissueState.ACCEPTED:
        return deeds.arrive(address, _wrong_state(), deeds.REFUSED)
    return deeds.show(
        Confirmation(
            title=say(mark("再発行のコードを準備する")),
            subject=file.reissue.terminal,
            address=address,
            button=say(mark("コードを準備する")),
            pairs=_about(file),
            notes=(
                say(mark("端末アクセスキーと認証コードを作り、封をして保存します。職員は中身を見られません。")),
                say(mark("この端末の今のコードは、取得の途中でもすぐに使えなくなります。")),
                say(mark("証明書を取得できることを、コードを書かずにメールで知らせます。")),
            ),
            obstacle=_obstacle(file),
        )
    )


@blueprint.route("/terminals/<name>/reissue", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def ask(name: str) -> Response | str:
    """Ask for a reissue in the office's place, which accepts it: reason and remark first, then what will happen."""
    with doorway().parts.database.snapshot() as session:
        file = terminals.read(session, name)
    address = flask.url_for("terminals.show", name=name)
    if not (deeds.is_sent() or terminals.possible(file).reissue):
        return deeds.arrive(address, say(mark("今の状態では、この操作は必要ありません。")), deeds.REFUSED)
    wish = _wish(_offered(file))
    if isinstance(wish, Sheet):
        return _asking(file, wish)
    if not deeds.is_confirmed():
        return deeds.show(_request(file, wish))
    try:
        asked = center().reissues.request(name, wish.reason, guard.person().actor, remark=wish.remark)
    except Refused as refused:
        return deeds.arrive(address, _told(refused), deeds.REFUSED)
    return deeds.arrive(
        _address(asked.id),
        say(
            mark("端末%(name)sの再発行を受け付け、承認しました。コードは%(day)s以降に準備できます。"),
            name=name,
            day=show_day(asked.ready_on),
        ),
    )


@dataclass(frozen=True)
class _Wish:
    """What was typed to ask for a reissue."""

    reason: ReissueReason
    remark: str


def _offered(file: TerminalFile) -> tuple[ReissueReason, ...]:
    """Return the reasons that may be given: while a reissue is open, only the worse news."""
    return COMPROMISES if any(one.state in OPEN for one in file.reissues) else tuple(ReissueReason)


def _wish(offered: tuple[ReissueReason, ...]) -> _Wish | Sheet:
    """Return what was typed, clean; or the form to show: empty, as typed, or with its faults."""
    if not deeds.is_sent():
        return Sheet()
    sheet = deeds.typed("reason", "remark")
    if deeds.goes_back():
        return sheet
    remark = free_text("remark", sheet["remark"], most=LONGEST_REMARK, required=False)
    if sheet["reason"] not in offered:
        return sheet.with_faults({"reason": say(mark("理由を選択してください。"))})
    return deeds.with_fault(sheet, remark) if isinstance(remark, FieldFault) else _Wish(ReissueReason(sheet["reason"]), remark)


def _asking(file: TerminalFile, sheet: Sheet) -> Response:
    offered = _offered(file)
    page = flask.render_template(
        "reissue-asking.html",
        file=file,
        sheet=sheet,
        pairs=_of_terminal(file),
        reasons=choices(offered),
        only_worse=offered == COMPROMISES,
        longest=LONGEST_REMARK,
    )
    return flask.make_response(page, 422 if sheet.faults else 200)


def _request(file: TerminalFile, wish: _Wish) -> Confirmation:
    ends_at_once = wish.reason.is_compromise and file.current is not None
    return Confirmation(
        title=say(mark("再発行を申し込む")),
        subject=file.terminal.name,
        address=flask.url_for("terminals.show", name=file.terminal.name),
        button=say(mark("申し込んで承認する")),
        pairs=(
            *_of_terminal(file),
            (say(mark("再発行の理由")), reason_name(wish.reason)),
            (say(mark("備考")), wish.remark),
        ),
        notes=(
            *consequences(wish.reason, file.current, doorway().parts.clock.now()),
            say(mark("職員の申込は、そのまま承認されます。管理責任者にメールで知らせます。")),
            say(mark("コードは、あなた以外の発行担当が準備します。")),
        ),
        cautions=(say(mark("承認すると、今の証明書はすぐに失効します。失効は元に戻せません。")),) if ends_at_once else (),
        carried={"reason": wish.reason.value, "remark": wish.remark},
        is_final=ends_at_once,
    )


def _answer() -> str | Sheet:
    """Return what the office is told, clean; or the form to show: empty, as typed, or with its fault."""
    if not deeds.is_sent():
        return Sheet()
    sheet = deeds.typed("answer")
    if deeds.goes_back():
        return sheet
    words = free_text("answer", sheet["answer"], most=LONGEST_REMARK, required=True)
    return deeds.with_fault(sheet, words) if isinstance(words, FieldFault) else words


def _about(file: ReissueFile) -> tuple[tuple[str, str], ...]:
    reissue, office = file.reissue, file.office
    return (
        (say(mark("論理端末名")), reissue.terminal),
        (say(mark("事業所")), f"{office.code} {office.company_name} {office.name}"),
        (say(mark("端末の状態")), gettext(terminal_label(file.terminal).text)),
        (say(mark("現在の証明書")), _certificate(file.certificate)),
        (say(mark("再発行の理由")), reason_name(reissue.reason)),
        (say(mark("備考")), reissue.remark),
        (say(mark("再発行の状態")), gettext(STATES[reissue.state].text)),
        *(((say(mark("コードを準備できる日")), show_day(reissue.ready_on)),) if reissue.ready_on else ()),
    )


def _of_terminal(file: TerminalFile) -> tuple[tuple[str, str], ...]:
    terminal, office = file.terminal, file.office
    return (
        (say(mark("論理端末名")), terminal.name),
        (say(mark("事業所")), f"{office.code} {office.company_name} {office.name}"),
        (say(mark("端末の状態")), gettext(terminal_label(terminal).text)),
        (say(mark("現在の証明書")), _certificate(file.current)),
    )


def _certificate(certificate: CertificateView | None) -> str:
    label = gettext(certificate_label(certificate, doorway().parts.clock.now()).text)
    if certificate is None:
        return label
    return say(
        mark("%(state)s シリアル番号 %(serial)s 有効期限 %(end)s"),
        state=label,
        serial=certificate.serial,
        end=show_instant(certificate.not_after),
    )


def _obstacle(file: ReissueFile) -> str:
    """Return why the reader can not prepare its codes; empty when they can."""
    terminal = file.reissue.terminal
    if reissues.possible(file).is_barred:
        return _told(Refused("same-person", terminal=terminal))
    if not reissues.is_ready(file.reissue):
        return _told(Refused("reissue-not-ready", ready_on=file.reissue.ready_on))
    is_stopped = file.terminal.state not in terminals.RETRIEVABLE
    return _told(Refused("terminal-suspended", terminal=terminal)) if is_stopped else ""


def _carry_out(act: Callable[[], str], address: str) -> Response:
    try:
        return deeds.arrive(address, act())
    except Refused as refused:
        return deeds.arrive(address, _told(refused), deeds.REFUSED)


def _told(refused: Refused) -> str:
    ready_on = refused.facts.get("ready_on")
    if isinstance(ready_on, str):
        refused = Refused(refused.code, **{**refused.facts, "ready_on": date.fromisoformat(ready_on)})
    return refusals.sentence_of({**refusals.SHARED, **SENTENCES, **_OWN}, in_words(refused))


def _wrong_state() -> str:
    return _told(Refused("reissue-state"))


def _address(reissue_id: str) -> str:
    return flask.url_for("reissues.show", reissue_id=reissue_id)
