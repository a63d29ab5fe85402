"""The center's own accounts: who works here, in which roles. Staff in charge of security manage them, never their own."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from registry.applicants import check_mail
from registry.faults import FieldFault
from webui import guard, step_up
from webui.account_deeds import barred, users
from webui.account_words import ROLES
from webui.accounts import NewUser, Role, User
from webui.center import account_pages, deeds
from webui.center.sentences import sentence_of
from webui.refusals import SHARED
from webui.sheet import Sheet
from webui.texts import mark, say
from webui.words import fault_sentence

blueprint = flask.Blueprint("staff", __name__)

_FIELDS = ("login", "name", "mail")
_FAULT_FIELDS = {"account-exists": "login", "login-malformed": "login", "name-malformed": "name"}
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
    sheet, chosen = Sheet({name: flask.request.form.get(name, "").strip() for name in _FIELDS}), _chosen_roles()
    mail = check_mail("mail", sheet["mail"])
    faults = {name: say(SHARED["required"].text) for name in _FIELDS if not sheet[name]}
    if not chosen:
        faults["roles"] = say(mark("役割を1つ以上選択してください。"))
    if isinstance(mail, FieldFault):
        faults.setdefault("mail", fault_sentence(mail))
    elif not faults:
        address = flask.url_for("staff.listed")
        if (question := step_up.question(button=say(mark("招待する")), back=address)) is not None:
            return question
        try:
            users().invite(NewUser(sheet["login"], sheet["name"], mail, chosen), guard.person())
        except Refused as refused:
            faults = {_FAULT_FIELDS.get(refused.code, "mail"): sentence_of(refused)}
        else:
            return deeds.arrive(address, say(mark("%(mail)sへ招待のメールを送りました。"), mail=mail))
    return flask.make_response(_form(sheet.with_faults(faults), chosen), 422)


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
