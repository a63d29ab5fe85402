"""Deeds upon accounts as staff confirm them: those of an office's users and those of staff themselves."""

import flask
from werkzeug.wrappers import Response

from kernel.errors import Refused
from webui import guard, step_up
from webui.account_deeds import DEEDS, barred, users
from webui.account_words import ACCOUNT_STATES
from webui.accounts import User
from webui.center import deeds
from webui.center.deeds import Confirmation
from webui.center.sentences import sentence_of
from webui.texts import gettext, mark, say, show_instant


def possible(user: User) -> dict[str, str]:
    """Return the deeds that make sense at present, with their titles."""
    return {} if barred(user) else {name: gettext(deed.title) for name, deed in DEEDS.items() if deed.is_possible(user)}


def do(user: User, name: str, address: str, *, leaving: str, caution: str = "") -> Response | str:
    """Show a deed's confirmation, or do it; `leaving` is where a removed account leads."""
    deed = DEEDS.get(name) or flask.abort(404)
    if not deeds.is_sent():
        obstacle = barred(user) or ("" if deed.is_possible(user) else sentence_of(Refused("user-state")))
        return deeds.show(
            Confirmation(
                title=gettext(deed.title),
                subject=user.person.login,
                address=address,
                button=gettext(deed.title),
                pairs=pairs(user),
                notes=(gettext(deed.meaning),),
                cautions=(caution,) if caution else (),
                is_final=deed.is_final,
                obstacle=obstacle,
            )
        )
    if (question := step_up.question(button=gettext(deed.title), back=address)) is not None:
        return question

    def act() -> str:
        deed.act(users(), user.person.office_code, user.person.login, guard.person())
        return gettext(deed.done)

    return deeds.carry_out(act, leaving if deed.is_final else address)


def pairs(user: User) -> tuple[tuple[str, str], ...]:
    """Return what names an account."""
    person = user.person
    return (
        *(((say(mark("事業所コード")), person.office_code),) if person.office_code else ()),
        (say(mark("ユーザーID")), person.login),
        (say(mark("氏名")), person.name),
        (say(mark("メールアドレス")), person.mail),
        (say(mark("状態")), gettext(ACCOUNT_STATES[user.state].text)),
        (say(mark("最後のログイン")), show_instant(user.last_login_at)),
    )
