"""The second factors of an office's user who lost them: staff in charge of security remove them, with a reason, on record."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import guard, step_up
from webui.account_deeds import users
from webui.accounts import Role, User
from webui.center import account_pages, deeds
from webui.center.deeds import Confirmation
from webui.center.sentences import sentence_of
from webui.doorway import doorway
from webui.factors.book import REASON_MOST
from webui.sheet import Sheet
from webui.texts import mark, say

blueprint = flask.Blueprint("factor_resets", __name__)


@blueprint.route("/offices/<code>/users/<login>/second-factors", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def reset(code: str, login: str) -> Response | str:
    """Remove them: a reason is typed first, then everything is named once more."""
    user = users().get(code, login) or flask.abort(404)
    address = flask.url_for("office_users.show", code=code, login=login)
    if not doorway().parts.factors.standing(user.person.account_id).is_any:
        return deeds.arrive(address, sentence_of(Refused("factor-none")), deeds.REFUSED)
    sheet = deeds.typed("reason") if deeds.is_sent() else Sheet()
    if not deeds.is_sent() or deeds.goes_back():
        return _form(user, sheet)
    reason = sheet["reason"].strip()
    if not reason or len(reason) > REASON_MOST:
        fault = sentence_of(Refused("reason-malformed", most=REASON_MOST))
        return flask.make_response(_form(user, sheet.with_faults({"reason": fault})), 422)
    if not deeds.is_confirmed():
        return deeds.show(_confirmation(user, reason))
    if (question := step_up.question(button=say(TITLE), back=address)) is not None:
        return question

    def act() -> str:
        doorway().parts.factors.reset(user.person, guard.person().actor, reason)
        return say(mark("%(login)sの二段階認証を解除しました。本人にメールで知らせます。"), login=login)

    return deeds.carry_out(act, address)


TITLE = mark("二段階認証を解除する")


def _form(user: User, sheet: Sheet) -> str:
    return flask.render_template(
        "factor-reset.html", user=user, sheet=sheet, pairs=account_pages.pairs(user), longest=REASON_MOST
    )  # fmt: skip


def _confirmation(user: User, reason: str) -> Confirmation:
    return Confirmation(
        title=say(TITLE),
        subject=user.person.login,
        address=flask.request.path,
        button=say(TITLE),
        pairs=(*account_pages.pairs(user), (say(mark("理由")), reason)),
        notes=(
            say(mark("認証アプリ、パスキー、回復コードをすべて削除し、ログイン中のブラウザーからログアウトさせます。")),
            say(mark("解除のあとは、パスワードだけでログインでき、コードの表示などの前に新しく設定することになります。")),
        ),
        cautions=(say(mark("登録されている電話番号へかけ直すなどして、本人であることを確かめてから解除してください。")),),
        carried={"reason": reason},
        is_final=True,
    )
