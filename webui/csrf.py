"""Forms of other sites are refused.

Two checks on everything that is not a read: the browser's own word where it comes from (Sec-Fetch-Site), and a form
token derived from the visit's cookie. Nothing is stored for it and no key is needed: the cookie is unknown to other
sites, and its `__Host-` prefix keeps neighbours from planting one. The form token can not be turned back into the
cookie, and a new one comes with each log-in.
"""

import hmac

import flask
from werkzeug.exceptions import BadRequest

from webui.sessions import visit
from webui.texts import mark

FIELD = "form_token"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class StaleForm(BadRequest):
    """A form that is not of this visit: another site's, or one from before a log-in."""

    description = mark("フォームの有効期限が切れました。画面を開き直して、もう一度操作してください。")


def require_own_form() -> None:
    """Raise StaleForm for a write that does not come from a form of ours."""
    if flask.request.method not in _READS and not is_own_form():
        raise StaleForm


def is_own_form() -> bool:
    """Return whether what was sent comes from a form that this visit was given."""
    request = flask.request
    # Absent from old browsers and scripts; those still need the token.
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    sent = request.form.get(FIELD, "").encode()
    return site in {"same-origin", "none"} and hmac.compare_digest(sent, visit().form_token().encode())
