"""The terminals door's REST interface: what a terminal asks with its certificate in the TLS connection.

Answers that permit something carry `Renewal-Suggested: <instant>`, so that a client which only logs on knows when to renew,
too (the manner of ACME Renewal Information, RFC 9773).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from flask import Blueprint, Flask, Response, current_app, request
from pydantic import Field

from enrollment.logon import LogonCheck
from enrollment.own_state import OwnStates
from enrollment.protocols import json_bodies, openapi, problems
from enrollment.protocols.certificate_answers import FORMS, PEM, PKCS7, CertificateAnswer, certificate_response
from enrollment.protocols.json_bodies import JSON, Pkcs10, TerminalName, Typed, timestamp
from enrollment.protocols.openapi import NO_STORE, Answer, Header, Operation
from enrollment.protocols.terminal_answers import PermitAnswer, ReissueAnswer, StateAnswer, reissue_answer, state_answer
from enrollment.reissue import LONGEST_REMARK, Reissues
from enrollment.reissue_records import ReissueReason
from enrollment.renewal import Renewal
from enrollment.renewal_window import window_of
from kernel.errors import Refused

SUGGESTED = "Renewal-Suggested"
_KEY = "terminals"
# Seconds after which a client that polls may ask again (RFC 9773 §4.3.2 recommends six hours).
POLL_AGAIN = 21_600

blueprint = Blueprint("terminals", __name__)


@dataclass(frozen=True)
class TerminalsDoor:
    """What the terminals door needs. `client_certificate` reads the client certificate (DER) of a WSGI request."""

    logon: LogonCheck
    client_certificate: Callable[[Mapping[str, Any]], bytes | None]
    renewal: Renewal
    reissues: Reissues
    own_states: OwnStates


class LogonRequest(json_bodies.StrictBody):
    """`POST /api/v1/logons`."""

    terminal: TerminalName
    access_key: Typed


class RenewalRequest(json_bodies.StrictBody):
    """`POST /api/v1/renewals`: a PKCS#10 request of a new key, as PEM."""

    csr: Pkcs10


class ReissueRequest(json_bodies.StrictBody):
    """`POST /api/v1/reissues`: the reason's code, and whatever else the terminal has to say."""

    reason: ReissueReason
    remark: Annotated[str, Field(max_length=LONGEST_REMARK, json_schema_extra={"format": "printable"})] = ""


_SUGGESTED = Header(
    SUGGESTED, "When this terminal had best renew the certificate that it has now", {"type": "string", "format": "date-time"}
)
_OF_KEYS = frozenset({"key-unsupported", "key-weak", "key-too-short-for-period", "key-used", "key-blocked"})
_OF_REQUESTS = _OF_KEYS | {"csr-malformed", "csr-signature"}
_OF_IDENTITY = frozenset({"E103", "certificate-unreadable", "certificate-foreign"})
_OF_HOLDERS = _OF_IDENTITY | {
    "certificate-not-current",
    "certificate-revoked",
    "certificate-held",
    "terminal-suspended",
    "terminal-abolished",
}
OPERATIONS = {
    "terminals.log_on": Operation(
        "logOn",
        "Ask whether the terminal may log on now",
        "端末が今ログオンできるかどうかを確認します。",
        {200: Answer("It may", PermitAnswer, headers=(NO_STORE, _SUGGESTED), leads_to=("ownState",))},
        frozenset({"E103", "E104", "A0006", "A0010", "A0014", "A0018", "A0019", "A0035", "A0036"})
        | {"certificate-unreadable", "throttled"},
        LogonRequest,
        needs_certificate=True,
    ),
    "terminals.renew": Operation(
        "renew",
        "Renew the certificate for a new key. The same key may be sent again at any time.",
        "現在の証明書を新しい鍵で更新します。同じ鍵であれば、何度送信しても安全です。",
        {
            201: Answer("A new certificate", CertificateAnswer, (PEM, PKCS7), (NO_STORE, _SUGGESTED)),
            200: Answer(
                "The certificate that this key was given before", CertificateAnswer, (PEM, PKCS7), (NO_STORE, _SUGGESTED)
            ),
        },
        _OF_HOLDERS
        | _OF_REQUESTS
        | {
            "renewal-spent",
            "renewal-too-early",
            "renewal-too-late",
            "renewal-pointless",
            "reissue-pending",
            "start-date-too-far",
        },
        RenewalRequest,
        needs_certificate=True,
    ),
    "terminals.ask_for_reissue": Operation(
        "askForReissue",
        "Ask for a reissue of the terminal's certificate",
        "端末の証明書の再発行を申し込みます。",
        {202: Answer("The request was taken", ReissueAnswer, leads_to=("ownState",))},
        _OF_HOLDERS | {"reissue-open", "input-invalid"},
        ReissueRequest,
        needs_certificate=True,
    ),
    "terminals.own_state": Operation(
        "ownState",
        "What the terminal may know of itself: state, dates, when to renew",
        "端末自身の状態、日付、更新時期を確認します。",
        {
            200: Answer(
                "The terminal, its certificate, its renewal window",
                StateAnswer,
                headers=(NO_STORE, _SUGGESTED, Header("Retry-After", "Seconds after which to ask again", {"type": "integer"})),
            )
        },
        _OF_IDENTITY | {"A0036", "E104", "terminal-abolished"},
        needs_certificate=True,
    ),
}


def create_app(door: TerminalsDoor) -> Flask:
    """Build the terminals door's WSGI application."""
    app = Flask("terminals", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = json_bodies.LARGEST_BODY
    app.extensions[_KEY] = door
    app.register_blueprint(blueprint)
    problems.register(app)
    openapi.mount(
        app, "tegata: terminals door", "What a terminal asks with its certificate / 端末の証明書による確認と更新", OPERATIONS
    )
    return app


@blueprint.post("/api/v1/logons")
def log_on() -> Response:
    """Say whether the terminal may log on now: 200, or 403 with the domain's code."""
    door = _door()
    json_bodies.accepted(request, JSON)
    certificate = door.client_certificate(request.environ)
    body = json_bodies.read(request, LogonRequest)
    permit = door.logon.check(certificate, body.terminal, body.access_key)
    return _hinted(json_bodies.answer(PermitAnswer()), permit.terminal, permit.not_after)


@blueprint.post("/api/v1/renewals")
def renew() -> Response:
    """Renew: 201 with the new certificate, 200 when the same key had it already, else a problem."""
    form = json_bodies.accepted(request, *FORMS)
    door, certificate = _door(), _certificate()
    body = json_bodies.read(request, RenewalRequest)
    retrieved = door.renewal.renew(certificate, body.csr.encode())
    return _hinted(certificate_response(form, retrieved), retrieved.terminal, retrieved.certificate.not_after)


@blueprint.post("/api/v1/reissues")
def ask_for_reissue() -> Response:
    """Let the terminal ask for its own reissue: 202 with what became of the request."""
    json_bodies.accepted(request, JSON)
    door, certificate = _door(), _certificate()
    body = json_bodies.read(request, ReissueRequest)
    asked = door.reissues.request_from_terminal(certificate, body.reason, remark=body.remark)
    return json_bodies.answer(reissue_answer(asked), status=202)


@blueprint.get("/api/v1/terminals/self")
def own_state() -> Response:
    """Tell the terminal of itself: state, dates, the renewal window and what is suggested."""
    json_bodies.accepted(request, JSON)
    state = _door().own_states.of(_certificate())
    response = json_bodies.answer(state_answer(state))
    response.headers[SUGGESTED] = timestamp(state.suggested)
    response.headers["Retry-After"] = str(POLL_AGAIN)
    return response


def _door() -> TerminalsDoor:
    door: TerminalsDoor = current_app.extensions[_KEY]
    return door


def _certificate() -> bytes:
    certificate = _door().client_certificate(request.environ)
    if certificate is None:
        raise Refused("E103")
    return certificate


def _hinted(response: Response, terminal: str, not_after: datetime) -> Response:
    window = window_of(not_after, _door().own_states.window_days)
    response.headers[SUGGESTED] = timestamp(window.suggested(terminal))
    return response
