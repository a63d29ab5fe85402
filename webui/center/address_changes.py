"""Changes of addresses that wait: staff confirm one in the addresses' stead, or decline it."""

import flask
from werkzeug.wrappers import Response

from registry import offices
from webui import guard, step_up
from webui.account_words import CHANGE_KINDS
from webui.accounts import Role, UserLetters
from webui.accounts.addresses import REASON_MOST, AddressChanges, Change, ChangeState, get, open_changes
from webui.center import deeds
from webui.center.deeds import Confirmation
from webui.center.people import actor_name
from webui.doorway import doorway
from webui.sheet import Sheet
from webui.texts import gettext, mark, say, show_instant

blueprint = flask.Blueprint("address_changes", __name__, url_prefix="/address-changes")


@blueprint.get("/")
@guard.staff()
def listed() -> str:
    """Show what waits for an address, the oldest first."""
    parts = doorway().parts
    with parts.database.snapshot() as session:
        found = open_changes(session, parts.clock.now())
    return flask.render_template("address-changes.html", changes=found, may_confirm=guard.person().may(Role.SECURITY))


@blueprint.route("/<change_id>/confirm", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def confirm(change_id: str) -> Response | str:
    """Confirm a change: staff write how they made sure, see everything once more, and then it takes effect."""
    change, sheet = _change(change_id), deeds.typed("reason")
    if not deeds.is_sent() or deeds.goes_back():
        return _form(change, sheet)
    reason = sheet["reason"].strip()
    if not reason or len(reason) > REASON_MOST:
        fault = say(mark("確認した方法を%(most)s文字以内で入力してください。"), most=REASON_MOST)
        return flask.make_response(_form(change, sheet.with_faults({"reason": fault})), 422)
    if not deeds.is_confirmed():
        return deeds.show(_confirmation(change, reason))
    address = flask.url_for("address_changes.listed")
    if (question := step_up.question(button=say(mark("この変更を承認する")), back=address)) is not None:
        return question

    def act() -> str:
        changes().confirm_as_staff(change.id, reason, guard.person().actor)
        return say(mark("連絡先を変更し、変更前と変更後のアドレスに知らせました。"))

    return deeds.carry_out(act, address)


@blueprint.route("/<change_id>/decline", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def decline(change_id: str) -> Response | str:
    """End a change that the customer does not want."""
    change, address = _change(change_id), flask.url_for("address_changes.listed")
    if not deeds.is_sent():
        return deeds.show(
            Confirmation(
                title=say(mark("連絡先の変更を取り下げる")),
                subject=change.office_code,
                address=address,
                button=say(mark("取り下げる")),
                pairs=_pairs(change),
                notes=(say(mark("送信済みのリンクは使えなくなります。連絡先は変わりません。")),),
            )
        )

    def act() -> str:
        changes().decline(change.id, guard.person().actor)
        return say(mark("連絡先の変更を取り下げました。"))

    return deeds.carry_out(act, address)


def changes() -> AddressChanges:
    """Return the use cases of changing addresses."""
    parts = doorway().parts
    return AddressChanges(parts.database, parts.clock, UserLetters(parts.letters))


def _confirmation(change: Change, reason: str) -> Confirmation:
    return Confirmation(
        title=say(mark("連絡先の変更を承認する")),
        subject=change.office_code,
        address=flask.url_for("address_changes.listed"),
        button=say(mark("この変更を承認する")),
        pairs=(*_pairs(change), (say(mark("確認した方法")), reason)),
        notes=(say(mark("すぐに変更され、変更前と変更後のアドレスに知らせます。承認した職員と確認した方法が記録されます。")),),
        carried={"reason": reason},
    )


def _pairs(change: Change) -> tuple[tuple[str, str], ...]:
    contact = change.contact
    return (
        (say(mark("事業所コード")), change.office_code),
        (say(mark("変更の対象")), f"{gettext(CHANGE_KINDS[change.kind])} {change.subject}".strip()),
        *(((say(mark("変更後の管理責任者")), f"{contact.full_name} {contact.phone}"),) if contact else ()),
        (say(mark("変更前のアドレス")), _side(change.old_mail, is_confirmed=change.old_confirmed_at is not None)),
        (say(mark("変更後のアドレス")), _side(change.new_mail, is_confirmed=change.new_confirmed_at is not None)),
        (say(mark("申し出た人")), actor_name(change.requested_by)),
        (say(mark("申し出た日時")), show_instant(change.requested_at)),
        (say(mark("期限")), show_instant(change.expires_at)),
    )


def _side(mail: str, *, is_confirmed: bool) -> str:
    return f"{mail} ({say(mark('承認済み')) if is_confirmed else say(mark('承認待ち'))})"


def _form(change: Change, sheet: Sheet) -> str:
    with doorway().parts.database.snapshot() as session:
        office = offices.get(session, change.office_code) or flask.abort(404)
    return flask.render_template("address-change.html", change=change, pairs=_pairs(change), office=office, sheet=sheet)


def _change(change_id: str) -> Change:
    with doorway().parts.database.snapshot() as session:
        change = get(session, change_id)
    if change is None or change.state is not ChangeState.OPEN:
        flask.abort(404)
    return change
