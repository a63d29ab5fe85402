"""The terminals door's REST interface: what a terminal asks with its certificate in the TLS connection.

Answers that permit something carry `Renewal-Suggested: <instant>`, so that a client which only logs on knows when to renew,
too (the manner of ACME Renewal Information, RFC 9773).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from flask import Blueprint, Flask, Response, current_app, json, request
from pydantic import StringConstraints

from enrollment.logon import LogonCheck
from enrollment.own_state import OwnState, OwnStates
from enrollment.protocols import json_bodies, problems
from enrollment.protocols.certificate_answers import certificate_response, timestamp
from enrollment.reissue import LONGEST_REMARK, Reissues
from enrollment.reissue_records import ReissueReason, ReissueView
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

    terminal: str
    access_key: str


class RenewalRequest(json_bodies.StrictBody):
    """`POST /api/v1/renewals`: a PKCS#10 request of a new key, as PEM."""

    csr: str


class ReissueRequest(json_bodies.StrictBody):
    """`POST /api/v1/reissues`: the reason's code, and whatever else the terminal has to say."""

    reason: ReissueReason
    remark: Annotated[str, StringConstraints(max_length=LONGEST_REMARK)] = ""


def create_app(door: TerminalsDoor) -> Flask:
    """Build the terminals door's WSGI application."""
    app = Flask("terminals", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = json_bodies.LARGEST_BODY
    app.extensions[_KEY] = door
    app.register_blueprint(blueprint)
    problems.register(app)
    return app


@blueprint.post("/api/v1/logons")
def log_on() -> Response:
    """Say whether the terminal may log on now: 200, or 403 with the domain's code."""
    door = _door()
    certificate = door.client_certificate(request.environ)
    body = json_bodies.read(request, LogonRequest)
    permit = door.logon.check(certificate, body.terminal, body.access_key)
    return _hinted(_json({"permitted": True}), permit.terminal, permit.not_after)


@blueprint.post("/api/v1/renewals")
def renew() -> Response:
    """Renew: 201 with the new certificate, 200 when the same key had it already, else a problem."""
    door, certificate = _door(), _certificate()
    body = json_bodies.read(request, RenewalRequest)
    retrieved = door.renewal.renew(certificate, body.csr.encode())
    return _hinted(certificate_response(request, retrieved), retrieved.terminal, retrieved.certificate.not_after)


@blueprint.post("/api/v1/reissues")
def ask_for_reissue() -> Response:
    """Let the terminal ask for its own reissue: 202 with what became of the request."""
    door, certificate = _door(), _certificate()
    body = json_bodies.read(request, ReissueRequest)
    return _json(_reissue(door.reissues.request_from_terminal(certificate, body.reason, remark=body.remark)), status=202)


@blueprint.get("/api/v1/terminals/self")
def own_state() -> Response:
    """Tell the terminal of itself: state, dates, the renewal window and what is suggested."""
    state = _door().own_states.of(_certificate())
    response = _json(_state(state))
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


def _state(state: OwnState) -> dict[str, object]:
    begin, end = state.window.spread
    return {
        "terminal": state.terminal,
        "office_code": state.office_code,
        "state": state.state.value,
        "start_date": state.start_date.isoformat(),
        "certificate": {
            "serial": state.certificate.serial,
            "state": state.certificate.state.value,
            "not_before": timestamp(state.certificate.not_before),
            "not_after": timestamp(state.certificate.not_after),
        },
        "renewal": {
            "first_day": state.window.first_day.isoformat(),
            "last_day": state.window.last_day.isoformat(),
            "possible_now": state.may_renew,
            "blocked_by_reissue": state.blocked_by_reissue,
            "suggested_window": {"start": timestamp(begin), "end": timestamp(end)},
            "suggested": timestamp(state.suggested),
        },
        "reissue": _reissue(state.reissue) if state.reissue else None,
    }


def _reissue(reissue: ReissueView) -> dict[str, object]:
    return {
        "id": reissue.id,
        "terminal": reissue.terminal,
        "reason": reissue.reason.value,
        "state": reissue.state.value,
        "requested_at": timestamp(reissue.requested_at),
        "ready_on": reissue.ready_on.isoformat() if reissue.ready_on else None,
        "ends_on": reissue.ends_on.isoformat() if reissue.ends_on else None,
    }


def _hinted(response: Response, terminal: str, not_after: datetime) -> Response:
    window = window_of(not_after, _door().own_states.window_days)
    response.headers[SUGGESTED] = timestamp(window.suggested(terminal))
    return response


def _json(content: dict[str, object], *, status: int = 200) -> Response:
    response = Response(json.dumps(content), status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
