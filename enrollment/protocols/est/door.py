"""EST's addresses below `/.well-known/est/`, at the retrieval door by HTTP Basic, at the terminals door also by certificate."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from ca import hierarchy, requests
from enrollment import codes as code_rules
from enrollment.codes import Codes
from enrollment.interfaces import Interface
from enrollment.protocols.est import bodies
from enrollment.protocols.est.answers import REALM, answer
from enrollment.protocols.est.bodies import BodyError
from enrollment.protocols.est.server_keys import ServerKeys
from enrollment.redemption import Redemption, Retrieved
from enrollment.renewal import Renewal
from kernel.errors import Refused, Unavailable

_KEY = "est"
METHODS = {
    "cacerts": "GET",
    "csrattrs": "GET",
    "simpleenroll": "POST",
    "simplereenroll": "POST",
    "serverkeygen": "POST",
    "fullcmc": "POST",
}
# RFC 7030 §3.2.2: a label is one segment of the path and not the name of an operation.
_LABEL = re.compile(r"[A-Za-z0-9._~-]{1,64}")

blueprint = Blueprint("est", __name__)


@dataclass(frozen=True)
class Renewing:
    """What re-enrolment needs: `client_certificate` reads the TLS client certificate (DER) of a WSGI request."""

    renewal: Renewal
    client_certificate: Callable[[Mapping[str, Any]], bytes | None]


@dataclass(frozen=True)
class EstDoor:
    """What EST needs. Without `renewing` there is no simplereenroll here, without `server_keys` no serverkeygen."""

    redemption: Redemption
    renewing: Renewing | None = None
    server_keys: ServerKeys | None = None


def mount(app: Flask, door: EstDoor) -> None:
    """Add EST to a door's app."""
    app.extensions[_KEY] = door
    app.register_blueprint(blueprint)


@blueprint.route("/.well-known/est/<path:rest>", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
def operate(rest: str) -> Response:
    """Carry out an operation; every label (RFC 7030 §3.2.2) leads to the one CA that there is."""
    label, _, name = rest.rpartition("/")
    is_labelled = _LABEL.fullmatch(label) is not None and label not in METHODS
    if name not in METHODS or not (not label or is_labelled):
        return _told("operation-unknown")
    if request.method not in {METHODS[name], "HEAD" if METHODS[name] == "GET" else ""}:
        return _told("method-not-allowed", headers={"Allow": METHODS[name]})
    try:
        return _OPERATIONS[name](current_app.extensions[_KEY])
    except BodyError:
        return _told("body-malformed")
    except Refused as refusal:
        current_app.logger.info("refused %s", refusal.code)
        return _told(refusal.code, refusal.facts)
    except Unavailable as trouble:
        current_app.logger.warning("unavailable: %s", trouble)
        return _told("unavailable", {"retry_after": trouble.retry_after})


@blueprint.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    """Tell what the framework refuses (a body that is too large) as EST tells everything."""
    return _told("too-large" if error.code == 413 else "body-malformed")  # noqa: PLR2004 (RFC 9110 §15.5.14)


@blueprint.errorhandler(Exception)
def unexpected(error: Exception) -> Response:
    """Log a fault of ours."""
    current_app.logger.error("internal error", exc_info=error)
    return _told("internal")


def _ca_certificates(door: EstDoor) -> Response:
    """RFC 7030 §4.1: all that a client may need to build its chain, with the links between roots."""
    now = door.redemption.clock.now()
    with door.redemption.database.snapshot() as session:
        chain = [issuer.certificate for issuer in hierarchy.authorities(session, now)]
        chain += hierarchy.links(session, now)
    return _base64(bodies.certs_only(chain), bodies.PKCS7)


def _csr_attributes(_door: EstDoor) -> Response:
    return _base64(bodies.csr_attributes(), "application/csrattrs")


def _enroll(door: EstDoor) -> Response:
    """RFC 7030 §4.2.1."""
    codes, pkcs10 = _codes(), _body()
    return _certificate(door.redemption.redeem(codes, pkcs10, request.remote_addr or "", Interface.EST))


def _reenroll(door: EstDoor) -> Response:
    """RFC 7030 §4.2.2: the certificate of the TLS connection says who asks."""
    if door.renewing is None:
        return _told("operation-elsewhere")
    certificate = door.renewing.client_certificate(request.environ)
    if certificate is None:
        raise Refused("E103")
    return _certificate(door.renewing.renewal.renew(certificate, _body(), Interface.EST))


def _make_key(door: EstDoor) -> Response:
    """RFC 7030 §4.4: the request proves possession of its own key, which is then not the one that is certified."""
    if door.server_keys is None:
        return _told("operation-not-offered")
    codes, pkcs10 = _codes(), _body()
    asker = requests.read(pkcs10)
    if bodies.asks_for_encryption(pkcs10):
        return _told("encryption-not-offered")
    made = door.server_keys.make(codes, asker)
    retrieved = door.redemption.redeem(codes, made.request, request.remote_addr or "", Interface.EST)
    answered = bodies.key_and_certificate(made.pkcs8, bodies.certs_only([_issued(retrieved)]))
    return Response(answered.body, content_type=answered.media_type, headers={"Cache-Control": "no-store"})


def _no_cmc(_door: EstDoor) -> Response:
    return _told("operation-not-offered")


_OPERATIONS: Mapping[str, Callable[[EstDoor], Response]] = {
    "cacerts": _ca_certificates,
    "csrattrs": _csr_attributes,
    "simpleenroll": _enroll,
    "simplereenroll": _reenroll,
    "serverkeygen": _make_key,
    "fullcmc": _no_cmc,
}


def _codes() -> Codes:
    basic = bodies.basic(request.headers.get("Authorization", ""))
    if basic is None:
        raise Refused("credentials-missing")
    return code_rules.typed_as_one(basic.user, basic.password)


def _body() -> bytes:
    if request.mimetype != bodies.PKCS10:
        raise Refused("media-type")
    return bodies.decode(request.get_data())


def _certificate(retrieved: Retrieved) -> Response:
    """RFC 7030 §4.2.3: the issued certificate and no other; the chain is `cacerts`' to tell."""
    return _base64(bodies.certs_only([_issued(retrieved)]), bodies.CERTS_ONLY)


def _issued(retrieved: Retrieved) -> x509.Certificate:
    return x509.load_der_x509_certificate(retrieved.certificate.der or b"")


def _base64(body: bytes, media_type: str) -> Response:
    response = Response(body, content_type=media_type)
    response.headers["Content-Transfer-Encoding"] = "base64"
    response.headers["Cache-Control"] = "no-store"
    return response


def _told(code: str, facts: Mapping[str, object] | None = None, headers: Mapping[str, str] | None = None) -> Response:
    told = answer(code, facts)
    response = Response(
        f"{told.japanese}\n{told.english}\n", told.status, dict(headers or {}), content_type="text/plain; charset=utf-8"
    )
    response.headers["Cache-Control"] = "no-store"
    if told.status == 401:  # noqa: PLR2004 (RFC 7617 §2)
        response.headers["WWW-Authenticate"] = f'Basic realm="{REALM}", charset="UTF-8"'
    if facts and "retry_after" in facts:
        response.headers["Retry-After"] = str(facts["retry_after"])
    return response
