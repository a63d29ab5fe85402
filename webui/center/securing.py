"""What staff do to terminals: revoke, suspend, resume; replace, thaw and unlock codes."""

from collections.abc import Callable
from dataclasses import dataclass

import flask
from werkzeug.wrappers import Response

from enrollment.staff_views import Reason
from kernel.audit import Actor
from kernel.errors import Refused
from registry import terminals
from webui import guard, step_up
from webui.accounts import Role
from webui.center import deeds
from webui.center.deeds import Confirmation
from webui.center.parts import center
from webui.center.sentences import sentence_of
from webui.center.terminals import Possible, TerminalFile, is_revocable, possible, read
from webui.doorway import doorway
from webui.sheet import Sheet
from webui.terminal_words import terminal_label
from webui.texts import gettext, mark, say, show_day, show_instant
from webui.words import REVOCATION_REASONS, suspension

blueprint = flask.Blueprint("securing", __name__, url_prefix="/terminals/<name>")

# The reasons that staff may give are those that have words; a CA's own compromise is no terminal's.
OFFERED = tuple(reason for reason in Reason if reason.value in REVOCATION_REASONS)
# What is said of a certificate that has no number yet.
_BEING_MADE = "-"


@dataclass(frozen=True)
class Change:
    """A deed without input: what is called, when it is possible, and its page's words."""

    act: Callable[[str, Actor], bool | None]
    is_possible: Callable[[Possible], bool]
    title: str
    done: str
    notes: tuple[str, ...]
    needs_four_eyes: bool = False
    # What is said when `act` returned False: this side has agreed, the other has not yet.
    half_done: str = ""


@blueprint.route("/revoke", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def revoke(name: str) -> Response | str:
    """Revoke the current certificate: a reason is chosen first, then everything is named once more."""
    file = _file(name)
    if not (deeds.is_sent() or is_revocable(file)):
        return deeds.arrive(_address(name), _nothing_to_revoke(file), deeds.REFUSED)
    reason = _reason(file)
    if isinstance(reason, Sheet):
        return _reason_form(file, reason)
    if deeds.form().get("serial") != _serial(file):
        return deeds.arrive(_address(name), sentence_of(Refused("certificate-changed")), deeds.REFUSED)
    if not deeds.is_confirmed():
        return deeds.show(_revocation(file, reason))
    if (question := step_up.question(button=say(mark("失効させる")), back=_address(name))) is not None:
        return question

    def end() -> str:
        serial = file.current.serial if file.current else None
        if center().endings.revoke(name, reason, guard.person().actor, serial=serial):
            return say(mark("端末%(name)sの証明書を失効させました。数秒のうちに、ログオンも検証もできなくなります。"), name=name)
        return say(mark("端末%(name)sの証明書は、すでに失効しています。何も変わっていません。"), name=name)

    return deeds.carry_out(end, _address(name))


@blueprint.route("/suspend", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def suspend(name: str) -> Response | str:
    """Suspend a terminal."""
    change = Change(
        act=center().endings.suspend,
        is_possible=lambda state: state.suspend,
        title=say(mark("端末を停止する")),
        done=say(mark("端末%(name)sを停止しました。"), name=name),
        notes=(
            say(mark("証明書を一時停止し、コードを凍結します。停止中は、証明書の取得もログオンもできません。")),
            say(mark("あとで解除できます。管理責任者にメールで知らせます。")),
        ),
    )
    return _change(name, change)


@blueprint.route("/resume", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def resume(name: str) -> Response | str:
    """Lift a terminal's suspension; what a rule suspended needs a reissue afterwards."""
    with doorway().parts.database.snapshot() as session:
        terminal = terminals.get(session, name)
    by_rule = terminal is not None and terminal.suspension_rule is not None
    reissue = (say(mark("再びログオンするには、新しい証明書の再発行が必要です。")),) if by_rule else ()
    change = Change(
        act=center().endings.resume,
        is_possible=lambda state: state.resume,
        title=say(mark("端末の停止を解除する")),
        done=say(mark("端末%(name)sの停止を解除しました。"), name=name),
        notes=(
            say(mark("端末は停止前の状態に戻り、一時停止した証明書は再び有効になります。")),
            say(mark("凍結したコードは凍結されたままです。発行担当が、凍結を解除するか差し替えます。")),
            *reissue,
        ),
    )
    return _change(name, change)


@blueprint.route("/codes/replace", methods=["GET", "POST"])
@guard.staff(Role.ISSUING)
def replace(name: str) -> Response | str:
    """Replace a terminal's open codes by new ones."""
    change = Change(
        act=center().preparation.replace,
        is_possible=lambda state: state.replace,
        title=say(mark("コードを差し替える")),
        done=say(mark("端末%(name)sのコードを差し替えました。お客様は、新しいコードをポータルで確認できます。"), name=name),
        notes=(
            say(mark("現在のコードは、取得の途中でもすぐに使えなくなります。")),
            say(mark("新しい端末アクセスキーと認証コードを作り、封をして保存します。職員は中身を見られません。")),
        ),
        needs_four_eyes=True,
    )
    return _change(name, change)


@blueprint.route("/codes/thaw", methods=["GET", "POST"])
@guard.staff(Role.ISSUING)
def thaw(name: str) -> Response | str:
    """Let a terminal's frozen codes be redeemed again."""
    change = Change(
        act=center().preparation.thaw,
        is_possible=lambda state: state.thaw,
        title=say(mark("コードの凍結を解除する")),
        done=say(mark("端末%(name)sのコードの凍結を解除しました。"), name=name),
        half_done=say(mark("端末%(name)sのコードの凍結の解除を確認しました。管理責任者が同意すると解除されます。"), name=name),
        notes=(
            say(mark("お客様が凍結したコードは、ポータルでの管理責任者の同意もあると解除されます。どちらが先でもかまいません。")),
            say(mark("同じコードで、再び証明書を取得できるようになります。")),
            say(mark("コードがほかの人に知られたおそれがあるときは、解除せずに差し替えてください。")),
        ),
    )
    return _change(name, change)


@blueprint.route("/codes/unlock", methods=["GET", "POST"])
@guard.staff(Role.ISSUING)
def unlock(name: str) -> Response | str:
    """Lift the lock that wrong tries put on a terminal's codes."""
    change = Change(
        act=center().preparation.unlock,
        is_possible=lambda state: state.unlock,
        title=say(mark("誤入力のロックを解除する")),
        done=say(mark("端末%(name)sの誤入力ロックを解除しました。"), name=name),
        notes=(
            say(mark("すぐにもう一度、証明書の取得を試せるようになります。")),
            say(mark("お客様本人が入力を誤ったことを確認してから解除してください。心当たりがないときは、差し替えてください。")),
        ),
    )
    return _change(name, change)


def _change(name: str, change: Change) -> Response | str:
    """Show a deed without input, or do it."""

    def act() -> str:
        return change.half_done if change.act(name, guard.person().actor) is False else change.done

    if deeds.is_sent():
        return deeds.carry_out(act, _address(name))
    file = _file(name)
    state = possible(file)
    if not change.is_possible(state):
        return deeds.arrive(_address(name), say(mark("今の状態では、この操作は必要ありません。")), deeds.REFUSED)
    is_barred = change.needs_four_eyes and state.is_approver
    return deeds.show(
        Confirmation(
            title=change.title,
            subject=name,
            address=_address(name),
            button=change.title,
            pairs=_about(file),
            notes=change.notes,
            obstacle=sentence_of(Refused("same-person")) if is_barred else "",
        )
    )


def _reason(file: TerminalFile) -> Reason | Sheet:
    """Return the reason that was chosen; or the form to show: empty, as typed, or with its fault."""
    if not deeds.is_sent():
        return Sheet({"serial": _serial(file)})
    sheet = deeds.typed("reason", "serial")
    if deeds.goes_back():
        return sheet
    if sheet["reason"] not in OFFERED:
        return sheet.with_faults({"reason": say(mark("理由を選択してください。"))})
    return Reason(sheet["reason"])


def _revocation(file: TerminalFile, reason: Reason) -> Confirmation:
    name = file.terminal.name
    return Confirmation(
        title=say(mark("証明書を失効させる")),
        subject=name,
        address=_address(name),
        button=say(mark("失効させる")),
        pairs=(*_about(file), *certificate_pairs(file), (say(mark("失効の理由")), gettext(REVOCATION_REASONS[reason.value]))),
        notes=(say(mark("管理責任者にメールで知らせます。端末を再び使うには、新しい証明書が必要です。")),),
        cautions=(say(mark("失効は元に戻せません。一時的に止めるだけなら、端末の停止を使ってください。")),),
        carried={"reason": reason.value, "serial": _serial(file)},
        is_final=True,
    )


def certificate_pairs(file: TerminalFile) -> tuple[tuple[str, str], ...]:
    """Return what names the current certificate."""
    current = file.current
    if current is None:
        return ((say(mark("シリアル番号")), say(mark("取得処理中(発行前)"))),)
    return (
        (say(mark("シリアル番号")), current.serial),
        (say(mark("発行者")), current.issuer),
        (say(mark("有効期間")), f"{show_instant(current.not_before)} – {show_instant(current.not_after)}"),
    )


def _about(file: TerminalFile) -> tuple[tuple[str, str], ...]:
    terminal, office = file.terminal, file.office
    return (
        (say(mark("論理端末名")), terminal.name),
        (say(mark("事業所")), f"{office.code} {office.company_name} {office.name}"),
        (say(mark("状態")), gettext(terminal_label(terminal).text)),
        (say(mark("利用開始日")), show_day(terminal.start_date)),
        *(((say(mark("停止")), suspension(terminal)),) if terminal.suspended_at else ()),
    )


def _nothing_to_revoke(file: TerminalFile) -> str:
    if file.current is not None:
        return say(mark("端末%(name)sの証明書は、すでに失効しています。何も変わっていません。"), name=file.terminal.name)
    return sentence_of(Refused("certificate-none"))


def _serial(file: TerminalFile) -> str:
    return file.current.serial if file.current else _BEING_MADE


def _reason_form(file: TerminalFile, sheet: Sheet) -> Response:
    page = flask.render_template(
        "revocation.html",
        file=file,
        sheet=sheet,
        pairs=(*_about(file), *certificate_pairs(file)),
        reasons=[
            ("", say(mark("選択してください"))),
            *((reason.value, gettext(REVOCATION_REASONS[reason.value])) for reason in OFFERED),
        ],
    )
    return flask.make_response(page, 422 if sheet.faults else 200)


def _file(name: str) -> TerminalFile:
    with doorway().parts.database.snapshot() as session:
        return read(session, name)


def _address(name: str) -> str:
    return flask.url_for("terminals.show", name=name)
