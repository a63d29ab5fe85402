"""To whom an office's codes are shown, whole or in two halves: what its contract says, changed by staff."""

from collections.abc import Mapping

import flask
from werkzeug.wrappers import Response

from enrollment import disclosure
from enrollment.disclosure import Disclosure
from kernel.errors import Refused
from registry import offices
from webui import guard
from webui.accounts import Role
from webui.center import deeds
from webui.center.deeds import Confirmation
from webui.center.parts import center
from webui.center.sentences import sentence_of
from webui.doorway import doorway
from webui.texts import gettext, mark, say

blueprint = flask.Blueprint("disclosing", __name__)

DISCLOSURES: Mapping[Disclosure, str] = {
    Disclosure.WHOLE: mark("コードを見る権限のある1人に、すべてのコードを表示する"),
    Disclosure.SPLIT: mark("端末アクセスキーと認証コード2は管理責任者に、認証コード3は申込者に表示する"),
}
_OTHER = {Disclosure.WHOLE: Disclosure.SPLIT, Disclosure.SPLIT: Disclosure.WHOLE}


@blueprint.route("/offices/<code>/disclosure", methods=["GET", "POST"])
@guard.staff(Role.SECURITY)
def change(code: str) -> Response | str:
    """Change it to the other, as the page that was read named it; pressing twice changes nothing twice."""
    address = flask.url_for("offices.show", code=code)
    with doorway().parts.database.snapshot() as session:
        office = offices.get(session, code) or flask.abort(404)
        present = disclosure.of_office(session, code)
    if deeds.goes_back():
        return flask.redirect(address, 303)
    if deeds.is_sent():
        wanted = flask.request.form.get("disclosure", "")
        if wanted not in tuple(Disclosure):
            flask.abort(400)
        return deeds.carry_out(lambda: _choose(code, Disclosure(wanted)), address)
    wished = _OTHER[present]
    return deeds.show(
        Confirmation(
            title=say(mark("コードの表示方法を変更する")),
            subject=f"{office.code} {office.company_name} {office.name}",
            address=address,
            button=say(mark("変更する")),
            pairs=(
                (say(mark("現在の表示方法")), gettext(DISCLOSURES[present])),
                (say(mark("変更後の表示方法")), gettext(DISCLOSURES[wished])),
            ),
            notes=(
                say(mark("準備済みのコードにもすぐに適用され、管理責任者にメールで知らせます。")),
                say(mark("分けて表示するには、管理責任者の印が付いたポータルのユーザーと、もう1人のユーザーが必要です。")),
            ),
            carried={"disclosure": wished.value},
            obstacle=_obstacle(code, wished),
        )
    )


def _obstacle(code: str, wanted: Disclosure) -> str:
    """Return why the codes can not be shown so: where nobody is the administrator, nobody would see the administrator's half."""
    if wanted is Disclosure.SPLIT and not doorway().parts.accounts.administrators(code):
        return sentence_of(Refused("administrator-none"))
    return ""


def _choose(code: str, wanted: Disclosure) -> str:
    if _obstacle(code, wanted):
        raise Refused("administrator-none")
    center().disclosures.choose(code, wanted, guard.person().actor)
    return say(mark("事業所%(code)sのコードの表示方法を変更しました。"), code=code)
