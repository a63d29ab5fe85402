"""利用者: the users of an office, for those of them who manage users."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import flask
from werkzeug.wrappers import Response

from kernel import outbox
from kernel.errors import Refused
from registry import offices
from registry.applicants import check_mail
from registry.faults import FieldFault
from webui import guard
from webui.account_words import RIGHTS, sentence_of
from webui.accounts import AccountState, NewUser, Person, Right, User, UserLetters, Users
from webui.accounts.addresses import open_changes
from webui.doorway import doorway
from webui.portal.parts import office_code
from webui.refusals import SHARED
from webui.sheet import Sheet
from webui.texts import gettext, mark, say
from webui.words import fault_sentence

blueprint = flask.Blueprint("users", __name__)

_FIELDS = ("login", "name", "mail")
_FAULT_FIELDS = {"account-exists": "login", "login-malformed": "login", "name-malformed": "name", "mail-malformed": "mail"}


@dataclass(frozen=True)
class Deed:
    """What a manager does to a user, after a page that says what it means."""

    act: Callable[[Users, str, str, Person], object]
    states: frozenset[AccountState]
    title: str
    meaning: str
    done: str
    is_final: bool = False


_ALL = frozenset({AccountState.INVITED, AccountState.ACTIVE, AccountState.DISABLED})
DEEDS: Mapping[str, Deed] = {
    "link": Deed(
        Users.send_link,
        frozenset({AccountState.INVITED, AccountState.ACTIVE}),
        mark("パスワード設定のリンクを送る"),
        mark("登録されているメールアドレスへ、パスワードを設定するリンクを送ります。前に送ったリンクは使えなくなります。"),
        mark("リンクを送りました。"),
    ),
    "disable": Deed(
        Users.disable,
        frozenset({AccountState.INVITED, AccountState.ACTIVE}),
        mark("利用を停止する"),
        mark("このユーザーはすぐにログアウトされ、再開するまでログインできません。"),
        mark("利用を停止しました。"),
    ),
    "enable": Deed(
        Users.enable,
        frozenset({AccountState.DISABLED}),
        mark("利用を再開する"),
        mark("このユーザーは、これまでのパスワードでログインできるようになります。"),
        mark("利用を再開しました。"),
    ),
    "remove": Deed(
        Users.remove,
        _ALL,
        mark("削除する"),
        mark("このユーザーはすぐにログアウトされ、二度とログインできません。同じユーザーIDは再び登録できません。"),
        mark("ユーザーを削除しました。"),
        is_final=True,
    ),
}


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
    sheet = Sheet({name: flask.request.form.get(name, "").strip() for name in _FIELDS})
    chosen = _chosen_rights()
    mail = check_mail("mail", sheet["mail"])
    faults = {name: say(SHARED["required"].text) for name in _FIELDS if not sheet[name]}
    if isinstance(mail, FieldFault):
        faults.setdefault("mail", fault_sentence(mail))
    elif not faults:
        with doorway().parts.database.snapshot() as session:
            office = offices.get(session, office_code())
        office_name = f"{office.company_name}　{office.name}" if office else office_code()
        wanted = NewUser(sheet["login"], sheet["name"], mail, chosen, office_code(), office_name)
        try:
            person = users().invite(wanted, guard.person())
        except Refused as refused:
            faults = {_FAULT_FIELDS.get(refused.code, "rights"): sentence_of(refused)}
        else:
            return _arrive(say(mark("%(mail)sへ招待のメールを送りました。"), mail=person.mail))
    return flask.make_response(_form(sheet.with_faults(faults), chosen), 422)


@blueprint.get("/users/<string(maxlength=40):login>")
@guard.customer(right=Right.USERS)
def show(login: str) -> str:
    """Show one user with rights and what can be done."""
    user = _user(login)
    own = [right for right in Right if guard.person().may(right)]
    deeds = {name: deed for name, deed in DEEDS.items() if user.state in deed.states}
    return flask.render_template(
        "user.html", user=user, rights=RIGHTS, own=own, deeds=deeds, barred=_barred(user), held=user.person.grants
    )


@blueprint.post("/users/<string(maxlength=40):login>/rights")
@guard.customer(right=Right.USERS)
def change_rights(login: str) -> Response:
    """Give a user the rights that were ticked; those that the visitor does not hold stay as they are."""
    user = _user(login)
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
        barred = _barred(user) or ("" if user.state in wanted.states else sentence_of(Refused("user-state")))
        return flask.render_template("user-deed.html", user=user, deed=wanted, name=deed, barred=barred)

    def act() -> str:
        wanted.act(users(), office_code(), user.person.login, guard.person())
        return wanted.done

    return _carried_out(act, None if wanted.is_final else user.person.login)


def users() -> Users:
    """Return the use cases of managing accounts."""
    parts = doorway().parts
    return Users(parts.database, parts.clock, UserLetters(parts.letters))


def _carried_out(act: Callable[[], str], login: str | None) -> Response:
    try:
        sentence = gettext(act())
    except Refused as refused:
        return _arrive(sentence_of(refused), login=login, tone="warn")
    return _arrive(sentence, login=login)


def _arrive(sentence: str, *, login: str | None = None, tone: str = "done") -> Response:
    flask.flash(sentence, tone)
    return flask.redirect(flask.url_for("users.show", login=login) if login else flask.url_for("users.listed"), 303)


def _user(login: str) -> User:
    return users().get(office_code(), login) or flask.abort(404)


def _barred(user: User) -> str:
    """Return why the visitor can do nothing to a user; empty when they can."""
    if user.person.account_id == guard.person().account_id:
        return sentence_of(Refused("user-self"))
    if user.person.is_administrator and not guard.person().is_administrator:
        return sentence_of(Refused("user-administrator"))
    return ""


def _chosen_rights() -> frozenset[Right]:
    sent = flask.request.form.getlist("right")
    return frozenset(right for right in Right if right.value in sent)


def _form(sheet: Sheet, chosen: frozenset[Right]) -> str:
    own = [right for right in Right if guard.person().may(right)]
    return flask.render_template("user-invite.html", sheet=sheet, rights=RIGHTS, own=own, held={right.value for right in chosen})
