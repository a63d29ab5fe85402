"""`GET /gateway/authorize` at the terminals door: a reverse proxy's sub-request (nginx: `auth_request`) about its client.

204 with headers that name the terminal for the application behind, 403 with the reason in a header. A missing certificate is a
403, too: 401 would have to name a scheme of HTTP by which to authenticate (RFC 9110 §15.5.2), and TLS is none.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request

from enrollment.gateway import Gateway
from enrollment.protocols.json_bodies import timestamp
from kernel.errors import Refused

TERMINAL, OFFICE, NOT_AFTER, REASON = "X-Tegata-Terminal", "X-Tegata-Office", "X-Tegata-Not-After", "X-Tegata-Reason"
# A header is read by machines and stands in logs: the code, and a few words of ASCII. Sentences for people are the REST door's.
WORDS: Mapping[str, str] = {
    "E103": "no client certificate",
    "E104": "expired",
    "A0006": "not started",
    "A0010": "service ended",
    "A0014": "suspended",
    "A0019": "no terminal of ours",
    "A0035": "another issuer",
    "A0036": "not the current certificate",
    "certificate-unreadable": "unreadable certificate",
}
_KEY = "gateway"

blueprint = Blueprint("gateway", __name__)


def mount(app: Flask, gateway: Gateway, client_certificate: Callable[[Mapping[str, Any]], bytes | None]) -> None:
    """Add the gateway's question to a door; `client_certificate` reads the client certificate (DER) of a WSGI request."""
    app.extensions[_KEY] = (gateway, client_certificate)
    app.register_blueprint(blueprint)


@blueprint.get("/gateway/authorize")
def authorize() -> Response:
    """Let pass: 204, or say why not: 403 and `X-Tegata-Reason: CODE words`."""
    gateway, client_certificate = current_app.extensions[_KEY]
    try:
        passage = gateway.authorize(client_certificate(request.environ))
    except Refused as refusal:
        return Response(status=403, headers={REASON: reason_of(refusal), "Cache-Control": "no-store"})
    headers = {TERMINAL: passage.terminal, OFFICE: passage.office_code, NOT_AFTER: timestamp(passage.not_after)}
    return Response(status=204, headers=headers | {"Cache-Control": "no-store"})


def reason_of(refusal: Refused) -> str:
    """Return the code and a few words; of a certificate that is not the current one, what became of it."""
    words = refusal.facts.get("detail") or WORDS.get(refusal.code, "refused")
    return f"{refusal.code} {words}"
