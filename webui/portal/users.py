"""ユーザー: the users of an office, for those of them who manage users."""

from collections.abc import Callable

import flask
from werkzeug.wrappers import Response

from kernel import outbox
from kernel.errors import Refused
from registry import offices
from webui import guard, step_up
from webui.account_deeds import DEEDS, barred, users
from webui.account_words import RIGHTS, sentence_of
from webui.accounts import NewUser, Right, User
from webui.accounts.addresses import open_changes
from webui.doorway import doorway
from webui.inviting import invitation
from webui.portal.parts import office_code
from webui.sheet import Sheet
from webui.texts import gettext, mark, say

blueprint = flask.Blueprint("users", __name__)


@blueprint.get("/users")
@guard.customer(right=Right.USERS)
def listed() -> str:
    """Show the office's users."""
    now = doorway().parts.clock.now()
    with doorway().parts.database.snapshot() as session:
        failing = outbox.failing_addresses(session, office_code(), now=now)
        changes = open_changes(session, now, office_code=office_code())
    return flask.render_template(
        "users.html", users=users().listed(office_code()), failing=failing, changes=changes, rights=RIGHTS
    )


@blueprint.get("/invitation")
@guard.customer(right=Right.USERS)
def new() -> str:
    """Show the form that invites somebody."""
    return _form(Sheet(), frozenset())


@blueprint.post("/invitation")
@guard.customer(right=Right.USERS)
def invite() -> Response | str:
    """Make an account and mail its owner a link."""
    typed, chosen = invitation(), _chosen_rights()
    sheet = typed.sheet
    if not sheet.faults:
        with doorway().parts.database.snapshot() as session:
            office = offices.get(session, office_code())
        office_name = f"{office.company_name}　{office.name}" if office else office_code()
        if (question := step_up.question(button=say(mark("招待する")), back=flask.url_for("users.listed"))) is not None:
            return question
        wanted = NewUser(sheet["login"], sheet["name"], typed.mail, chosen, office_code(), office_name)
        try:
            person = users().invite(wanted, guard.person())
        except Refused as refused:
            sheet = typed.refused(refused, "rights")
        else:
            return _arrive(say(mark("%(mail)sへ招待のメールを送りました。"), mail=person.mail))
    return flask.make_response(_form(sheet, chosen), 422)


@blueprint.get("/users/<string(maxlength=40):login>")
@guard.customer(right=Right.USERS)
def show(login: str) -> str:
    """Show one user with rights and what can be done."""
    user = _user(login)
    own = [right for right in Right if guard.person().may(right)]
    deeds = {name: deed for name, deed in DEEDS.items() if deed.is_possible(user)}
    return flask.render_template(
        "user.html", user=user, rights=RIGHTS, own=own, deeds=deeds, barred=barred(user), held=user.person.grants
    )


@blueprint.post("/users/<string(maxlength=40):login>/rights")
@guard.customer(right=Right.USERS)
def change_rights(login: str) -> Response:
    """Give a user the rights that were ticked; those that the visitor does not hold stay as they are."""
    user = _user(login)
    if (question := step_up.question(button=say(mark("権限を変更する")), back=_address(user))) is not None:
        return question
    kept = {right for right in Right if right.value in user.person.grants and not guard.person().may(right)}
    wanted = _chosen_rights() | kept

    def act() -> str:
        is_changed = users().change_grants(office_code(), user.person.login, wanted, guard.person())
        return mark("権限を変更しました。") if is_changed else mark("権限は変わっていません。")

    return _carried_out(act, user.person.login)


@blueprint.route("/users/<string(maxlength=40):login>/<deed>", methods=["GET", "POST"])
@guard.customer(right=Right.USERS)
def do(login: str, deed: str) -> Response | str:
    """Say what a deed means, or do it."""
    user, wanted = _user(login), DEEDS.get(deed) or flask.abort(404)
    if flask.request.method == "GET":
        obstacle = barred(user) or ("" if wanted.is_possible(user) else sentence_of(Refused("user-state")))
        return flask.render_template("user-deed.html", user=user, deed=wanted, name=deed, barred=obstacle)
    if (question := step_up.question(button=gettext(wanted.title), back=_address(user))) is not None:
        return question

    def act() -> str:
        wanted.act(users(), office_code(), user.person.login, guard.person())
        return wanted.done

    return _carried_out(act, None if wanted.is_final else user.person.login)


def _carried_out(act: Callable[[], str], login: str | None) -> Response:
    try:
        sentence = gettext(act())
    except Refused as refused:
        return _arrive(sentence_of(refused), login=login, tone="warn")
    return _arrive(sentence, login=login)


def _arrive(sentence: str, *, login: str | None = None, tone: str = "done") -> Response:
    flask.flash(sentence, tone)
    return flask.redirect(flask.url_for("users.show", login=login) if login else flask.url_for("users.listed"), 303)


def _address(user: User) -> str:
    return flask.url_for("users.show", login=user.person.login)


def _user(login: str) -> User:
    return users().get(office_code(), login) or flask.abort(404)


def _chosen_rights() -> frozenset[Right]:
    sent = flask.request.form.getlist("right")
    return frozenset(right for right in Right if right.value in sent)


def _form(sheet: Sheet, chosen: frozenset[Right]) -> str:
    own = [right for right in Right if guard.person().may(right)]
    return flask.render_template("user-invite.html", sheet=sheet, rights=RIGHTS, own=own, held={right.value for right in chosen})
