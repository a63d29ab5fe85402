"""SCEP's one address (RFC 8894 §4). Its messages protect themselves, so it needs no TLS, and no name of its own."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from enrollment.protocols.scep.failures import MalformedError
from enrollment.protocols.scep.operations import CAPABILITIES, Operations
from kernel.errors import Unavailable

# An RSA-4096 request with certificates and challenge is some 6 KB; a client's chain may come along.
LARGEST_MESSAGE = 32_768
_KEY = "scep"
_MESSAGE = "application/x-pki-message"
_ADVICE = "Ask with ?operation=GetCACaps, GetCACert, GetNextCACert or PKIOperation."

blueprint = Blueprint("scep", __name__)


@dataclass(frozen=True)
class ScepDoor:
    """What SCEP needs; `operations` is None where the ceremony made no registration authority's certificate."""

    operations: Operations | None


def mount(app: Flask, door: ScepDoor) -> None:
    """Add SCEP to a door's app."""
    app.extensions[_KEY] = door
    app.register_blueprint(blueprint)


@blueprint.route("/scep", methods=["GET", "POST"])
def operate() -> Response:
    """Carry out what the query asks for (§4.1)."""
    door: ScepDoor = current_app.extensions[_KEY]
    asked = request.args.get("operation", "")
    if door.operations is None:
        return _told(501, "SCEP is not offered here: the ceremony has made no certificate of the kind scep.")
    if asked not in _OPERATIONS:
        return _told(400, _ADVICE)
    if request.method == "POST" and asked != "PKIOperation":
        return _told(405, f"{asked} is asked for by GET.", {"Allow": "GET"})
    try:
        return _OPERATIONS[asked](door.operations)
    except MalformedError:
        return _told(400, "The message is no pkiMessage: signed data (CMS) with a transactionID and one signer.")
    except Unavailable as trouble:
        current_app.logger.warning("unavailable: %s", trouble)
        return _told(503, "The service is away for a moment. Send the same again.", {"Retry-After": str(trouble.retry_after)})


@blueprint.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    """Tell what the framework refuses, as plain text."""
    return _told(error.code or 400, f"{error.name}. {_ADVICE}")


@blueprint.errorhandler(Exception)
def unexpected(error: Exception) -> Response:
    """Log a fault of ours."""
    current_app.logger.error("internal error", exc_info=error)
    return _told(500, "An internal error occurred. It is safe to send the same again.")


def _capabilities(_operations: Operations) -> Response:
    return Response("".join(f"{one}\n" for one in CAPABILITIES), content_type="text/plain")


def _ca_certificates(operations: Operations) -> Response:
    return _octets(operations.ca_certificates(), "application/x-x509-ca-ra-cert")


def _next_ca_certificates(operations: Operations) -> Response:
    coming = operations.next_ca_certificates()
    if coming is None:
        return _told(404, "No issuing CA waits for its turn.")
    return _octets(coming, "application/x-x509-next-ca-cert")


def _message(operations: Operations) -> Response:
    return _octets(operations.answer(_sent(), request.remote_addr or ""), _MESSAGE)


_OPERATIONS: Mapping[str, Callable[[Operations], Response]] = {
    "GetCACaps": _capabilities,
    "GetCACert": _ca_certificates,
    "GetNextCACert": _next_ca_certificates,
    "PKIOperation": _message,
}


def _sent() -> bytes:
    """Return the message: the body of a POST, or of a GET base64 in the query (§4.3), whose `+` may have become a blank."""
    if request.method == "POST":
        content = request.get_data()
    else:
        text = request.args.get("message", "").replace(" ", "+").replace("\r", "").replace("\n", "")
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise MalformedError from None
    if len(content) > LARGEST_MESSAGE:
        raise MalformedError
    return content


def _octets(content: bytes, media_type: str) -> Response:
    response = Response(content, content_type=media_type)
    response.headers["Cache-Control"] = "no-store"
    return response


def _told(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    response = Response(f"{text}\n", status, dict(headers or {}), content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response
