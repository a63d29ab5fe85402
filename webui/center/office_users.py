"""The accounts of an office as staff see them, and what staff in charge of security do about them."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from registry import offices
from registry.offices import Office
from webui import guard, step_up
from webui.account_deeds import users
from webui.account_words import RIGHTS
from webui.accounts import AccountState, NewUser, Right, Role, User
from webui.center import account_pages, deeds
from webui.doorway import doorway
from webui.inviting import invitation
from webui.sheet import Sheet
from webui.texts import mark, say

blueprint = flask.Blueprint("office_users", __name__, url_prefix="/offices/<code>")


@blueprint.get("/users")
@guard.staff()
def listed(code: str) -> str:
    """Show an office's accounts."""
    office = _office(code)
    found = users().listed(code)
    is_headless = not any(user.state is AccountState.ACTIVE and user.person.is_administrator for user in found)
    return flask.render_template(
        "office-users.html",
        office=office,
        users=found,
        rights=RIGHTS,
        is_headless=is_headless,
        may_manage=guard.person().may(Role.SECURITY),
    )


@blueprint.get("/users/<login>")
@guard.staff()
def show(code: str, login: str) -> str:
    """Show one account and what can be done about it."""
    user = _user(code, login)
    possible = account_pages.possible(user) if guard.person().may(Role.SECURITY) else {}
    may_reset = guard.person().may(Role.SECURITY) and doorway().parts.factors.standing(user.person.account_id).is_any
    return flask.render_template(
        "office-user.html", office=_office(code), user=user, rights=RIGHTS, deeds=possible, may_reset=may_reset
    )  # fmt: skip


@blueprint.route("/users/<login>/<deed>", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def do(code: str, login: str, deed: str) -> Response | str:
    """Do something about an account, after a confirmation."""
    user = _user(code, login)
    return account_pages.do(
        user,
        deed,
        flask.url_for("office_users.show", code=code, login=login),
        leaving=flask.url_for("office_users.listed", code=code),
        caution=_caution(user) if deed in {"disable", "remove"} else "",
    )


@blueprint.route("/administrator-account", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def invite(code: str) -> Response | str:
    """Make an administrator's account for an office that has none, or lost its only one."""
    office = _office(code)
    if not deeds.is_sent():
        person = office.administrator
        return _form(office, Sheet({"name": person.full_name, "mail": person.mail}))
    typed = invitation()
    sheet = typed.sheet
    if not sheet.faults:
        address = flask.url_for("office_users.listed", code=code)
        if (question := step_up.question(button=say(mark("招待する")), back=address)) is not None:
            return question
        name = f"{office.company_name}　{office.name}"
        new = NewUser(sheet["login"], sheet["name"], typed.mail, frozenset({Right.ADMINISTRATOR}), code, name)
        try:
            users().invite(new, guard.person())
        except Refused as refused:
            sheet = typed.refused(refused, "mail")
        else:
            return deeds.arrive(address, say(mark("%(mail)sへ招待のメールを送りました。"), mail=typed.mail))
    return flask.make_response(_form(office, sheet), 422)


def _form(office: Office, sheet: Sheet) -> str:
    return flask.render_template("office-administrator.html", office=office, sheet=sheet)


def _caution(user: User) -> str:
    """Return what should make one stop: whoever is the last administrator leaves nobody who could undo it."""
    others = [
        other
        for other in users().listed(user.person.office_code)
        if other.person != user.person and other.state is AccountState.ACTIVE and other.person.is_administrator
    ]
    if not user.person.is_administrator or others:
        return ""
    return say(mark("この事業所で有効な最後の管理責任者です。停止すると、事業所ではユーザーを管理できなくなります。"))


def _office(code: str) -> Office:
    with doorway().parts.database.snapshot() as session:
        return offices.get(session, code) or flask.abort(404)


def _user(code: str, login: str) -> User:
    return users().get(_office(code).code, login) or flask.abort(404)
