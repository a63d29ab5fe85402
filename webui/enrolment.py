"""The page on which somebody gets an authenticator app or a passkey, wherever they were when it was asked for.

What they had typed there travels along in hidden fields (`kept`), and so does where to go on to.
"""

from collections.abc import Mapping

import flask
import segno
from werkzeug.wrappers import Response

from webui import guard, kept
from webui.doorway import doorway
from webui.factors import totp
from webui.sessions import visit
from webui.sheet import Sheet
from webui.texts import gettext

# Where the session keeps the sealed secret of an app until its first code.
PENDING = "totp"
# The page after it sends the kept form on, instead of only going on to an address.
SENDS = "send"


def begin() -> None:
    """Make the secret for the present session; one that was begun goes on, so that a page read twice shows the same."""
    if PENDING not in visit():
        visit()[PENDING] = doorway().parts.factors.begin_totp(guard.person())


def pending() -> str:
    """Return the sealed secret; empty when none was begun."""
    found = visit().get(PENDING, "")
    return found if isinstance(found, str) else ""


def page(wanted: str, carried: kept.Pairs, *, sends: bool, needs_password: bool, faults: Mapping[str, str]) -> Response:
    """Show the page; `wanted` is where to go on to, `sends` whether the kept form is sent there."""
    parts, person = doorway().parts, guard.person()
    secret = parts.factors.pending_secret(person, pending())
    account = f"{person.office_code}/{person.login}" if person.office_code else person.login
    address = totp.address_of(secret, account=account, service=gettext(parts.settings.service_name))
    rendered = flask.render_template(
        "factor-enrol.html",
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        picture=segno.make(address, error="l", micro=False).svg_inline(omitsize=True, border=2),
        hidden=(*kept.hidden(carried), ("next", wanted), *(((SENDS, "1"),) if sends else ())),
        sends=sends,
        needs_password=needs_password,
        has_passkeys=parts.passkeys.relying_party.is_possible,
        sheet=Sheet({}, dict(faults)),
    )
    return flask.make_response(rendered, 422 if faults else 200)


def done(codes: tuple[str, ...]) -> Response:
    """Show new recovery codes, this once, and go on from there; without any go on at once."""
    form = flask.request.form
    wanted = guard.safe_next(form.get("next"))
    carried = kept.carried()
    sends = SENDS in form
    if not codes and not sends:
        return flask.redirect(wanted, 303)
    page = flask.render_template("recovery-codes.html", codes=codes, wanted=wanted, carried=carried, sends=sends)
    return flask.make_response(page)
