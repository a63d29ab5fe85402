"""Mails: what left, what waits, and what nobody could be given."""

import flask
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from kernel import audit, outbox
from kernel.errors import Refused
from kernel.outbox import MailState, MailView, Wanted
from registry import applications, terminals
from registry.paging import COUNTED
from webui import guard
from webui.accounts import Role
from webui.accounts.links import without_links
from webui.center import deeds, listing
from webui.center.deeds import Confirmation
from webui.center.sentences import sentence_of
from webui.doorway import doorway
from webui.mail_words import STATES, label_of, parts_of
from webui.texts import gettext, mark, say

blueprint = flask.Blueprint("mails", __name__, url_prefix="/mails")

_PAGE = 50
# So many of the newest mails are looked through for a word that tells no office.
_NEWEST = 2_000
# A database's largest integer.
_LAST_ID = 2**63 - 1


@blueprint.get("/")
@guard.staff()
def listed() -> str:
    """Show mails, newest first: of an office, in a state, about an application.

    A number that is no application's and no terminal's is looked for in the newest mails as it was typed, or in all when that is
    asked for.
    """
    state = listing.chosen("state", tuple(MailState))
    office_code, number = listing.searched("office").upper(), listing.searched("number")
    with doorway().parts.database.snapshot() as session:
        about = _office_of(session, number.upper())
        number, whose = number.upper() if about else number, office_code or about
        among = _NEWEST if number and not whose and listing.chosen("all", ("1",)) == "" else None
        wanted = Wanted(office_code=whose, state=MailState(state) if state else None, mentioning=number, among=among)
        counted = outbox.count(session, wanted, most=COUNTED)
        total = min(counted, COUNTED)
        pages = listing.pages_of(total, _PAGE)
        page = min(listing.page_number(), pages)
        found = outbox.search(session, wanted, first=(page - 1) * _PAGE, most=_PAGE)
    asked = {"office": office_code, "number": number, "state": state}
    return flask.render_template(
        "mails.html",
        found=found,
        pager=listing.pager(page, pages, total, has_more=counted > total),
        asked=asked,
        among=among,
        states=STATES,
        label=label_of,
    )


def _office_of(session: Session, number: str) -> str:
    """Return whose application or terminal is meant, empty for neither: only that office's mails are then looked through."""
    found = applications.find(session, number) or terminals.get(session, number)
    return found.office_code if found else ""


@blueprint.get("/<int:mail_id>")
@guard.staff()
def show(mail_id: int) -> str:
    """Show one mail as it was written; mails carry no codes."""
    with doorway().parts.database.snapshot() as session:
        mail = outbox.get(session, mail_id) if mail_id <= _LAST_ID else None
    if mail is None:
        flask.abort(404)
    return flask.render_template(
        "mail.html", mail=mail, letter=parts_of(without_links(mail.body)), label=label_of(mail), Role=Role
    )


@blueprint.route("/<int:mail_id>/again", methods=["GET", "POST"])
@guard.staff(Role.REVIEW)
def send_again(mail_id: int) -> Response | str:
    """Try a mail again that did not arrive; a one-time link in it is made anew."""
    parts, address = doorway().parts, flask.url_for("mails.show", mail_id=mail_id)
    if not deeds.is_sent():
        with parts.database.snapshot() as session:
            mail = outbox.get(session, mail_id) if mail_id <= _LAST_ID else None
        return deeds.show(_again(mail or flask.abort(404), address))

    def act() -> str:
        now = parts.clock.now()
        with parts.database.transaction() as session:
            mail = outbox.send_again(session, min(mail_id, _LAST_ID), now=now)
            audit.record(
                session,
                now=now,
                actor=guard.person().actor,
                action="mail.again",
                subject=f"mail:{mail_id}",
                office_code=mail.office_code,
            )
        return say(mark("メールをもう一度送ります。まもなく送信されます。"))

    return deeds.carry_out(act, address)


def _again(mail: MailView, address: str) -> Confirmation:
    return Confirmation(
        title=say(mark("メールをもう一度送る")),
        subject=mail.subject,
        address=address,
        button=say(mark("もう一度送る")),
        pairs=(
            (say(mark("宛先")), mail.recipient),
            (say(mark("状態")), gettext(label_of(mail).text)),
            (say(mark("エラー")), mail.last_error or ""),
        ),
        notes=(say(mark("同じ宛先へ送ります。アドレスが変わったときは、先に連絡先を変更してください。")),),
        obstacle=sentence_of(Refused("mail-sent")) if mail.state is MailState.SENT else "",
    )
