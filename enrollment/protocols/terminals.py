"""The terminals door's REST interface: what a terminal asks with its certificate in the TLS connection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, current_app, json, request

from enrollment.logon import LogonCheck
from enrollment.protocols import json_bodies, problems

_KEY = "terminals"

blueprint = Blueprint("terminals", __name__)


@dataclass(frozen=True)
class TerminalsDoor:
    """What the terminals door needs. `client_certificate` reads the TLS client certificate (DER) of a WSGI request."""

    logon: LogonCheck
    client_certificate: Callable[[Mapping[str, Any]], bytes | None]


class LogonRequest(json_bodies.StrictBody):
    """`POST /api/v1/logons`."""

    terminal: str
    access_key: str


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
    door: TerminalsDoor = current_app.extensions[_KEY]
    certificate = door.client_certificate(request.environ)
    body = json_bodies.read(request, LogonRequest)
    door.logon.check(certificate, body.terminal, body.access_key)
    response = Response(json.dumps({"permitted": True}), mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
