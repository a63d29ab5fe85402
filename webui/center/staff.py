"""The center's own accounts: who works here, in which roles. Staff in charge of security manage them, never their own."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import guard, step_up
from webui.account_deeds import barred, users
from webui.account_words import ROLES
from webui.accounts import NewUser, Role, User
from webui.center import account_pages, deeds
from webui.inviting import invitation
from webui.sheet import Sheet
from webui.texts import mark, say

blueprint = flask.Blueprint("staff", __name__)

# Staff have no office.
_CENTER = ""


@blueprint.get("/staff")
@guard.staff()
def listed() -> str:
    """Show everyone who works at the center."""
    return flask.render_template(
        "staff.html", users=users().listed(_CENTER), roles=ROLES, may_manage=guard.person().may(Role.SECURITY)
    )


@blueprint.route("/staff-invitation", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def invite() -> Response | str:
    """Make an account for somebody new and mail them a link."""
    if not deeds.is_sent():
        return _form(Sheet(), frozenset())
    typed, chosen = invitation(), _chosen_roles()
    sheet = typed.sheet
    if not chosen:
        sheet = sheet.with_faults({**sheet.faults, "roles": say(mark("役割を1つ以上選択してください。"))})
    if not sheet.faults:
        address = flask.url_for("staff.listed")
        if (question := step_up.question(button=say(mark("招待する")), back=address)) is not None:
            return question
        try:
            users().invite(NewUser(sheet["login"], sheet["name"], typed.mail, chosen), guard.person())
        except Refused as refused:
            sheet = typed.refused(refused, "mail")
        else:
            return deeds.arrive(address, say(mark("%(mail)sへ招待のメールを送りました。"), mail=typed.mail))
    return flask.make_response(_form(sheet, chosen), 422)


@blueprint.get("/staff/<login>")
@guard.staff()
def show(login: str) -> str:
    """Show one of them and what can be done."""
    user = _user(login)
    may_manage = guard.person().may(Role.SECURITY)
    return flask.render_template(
        "staff-member.html",
        user=user,
        roles=ROLES,
        deeds=account_pages.possible(user) if may_manage else {},
        may_manage=may_manage and not barred(user),
    )


@blueprint.post("/staff/<login>/roles")
@guard.staff(Role.SECURITY)
def change_roles(login: str) -> Response | str:
    """Give somebody exactly the roles that were ticked; at least one."""
    user, chosen = _user(login), _chosen_roles()
    address = flask.url_for("staff.show", login=login)
    if not chosen:
        return deeds.arrive(address, say(mark("役割を1つ以上選択してください。")), deeds.REFUSED)
    if (question := step_up.question(button=say(mark("役割を変更する")), back=address)) is not None:
        return question

    def act() -> str:
        is_changed = users().change_grants(_CENTER, user.person.login, chosen, guard.person())
        return say(mark("役割を変更しました。")) if is_changed else say(mark("役割は変わっていません。"))

    return deeds.carry_out(act, address)


@blueprint.route("/staff/<login>/<deed>", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def do(login: str, deed: str) -> Response | str:
    """Do something about an account of the center, after a confirmation."""
    address, leaving = flask.url_for("staff.show", login=login), flask.url_for("staff.listed")
    return account_pages.do(_user(login), deed, address, leaving=leaving)


def _chosen_roles() -> frozenset[Role]:
    sent = flask.request.form.getlist("role")
    return frozenset(role for role in Role if role.value in sent)


def _form(sheet: Sheet, chosen: frozenset[Role]) -> str:
    return flask.render_template("staff-invite.html", sheet=sheet, roles=ROLES, held={role.value for role in chosen})


def _user(login: str) -> User:
    return users().get(_CENTER, login) or flask.abort(404)
