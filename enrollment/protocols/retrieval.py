"""The retrieval door's REST interface: codes and a CSR for a certificate. It never asks for a client certificate."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from flask import Blueprint, Flask, Response, current_app, json, request

from enrollment import codes
from enrollment.protocols import json_bodies, problems
from enrollment.redemption import Redemption, Retrieved

PEM, PKCS7, JSON = "application/x-pem-file", "application/pkcs7-mime", "application/json"
_KEY = "retrieval"

blueprint = Blueprint("retrieval", __name__)


@dataclass(frozen=True)
class RetrievalDoor:
    """What the retrieval door needs."""

    redemption: Redemption


class RetrievalRequest(json_bodies.StrictBody):
    """`POST /api/v1/retrievals`: the five inputs as on the ID notice, and a PKCS#10 request as PEM."""

    access_key: str
    auth_code_1: str
    auth_code_2: str
    auth_code_3: str
    office_code: str
    csr: str


def create_app(door: RetrievalDoor) -> Flask:
    """Build the retrieval door's WSGI application."""
    app = Flask("retrieval", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = json_bodies.LARGEST_BODY
    app.extensions[_KEY] = door
    app.register_blueprint(blueprint)
    problems.register(app)
    return app


@blueprint.post("/api/v1/retrievals")
def retrieve() -> Response:
    """Redeem codes: 201 with the certificate, 200 when the same key had it already, else a problem."""
    door: RetrievalDoor = current_app.extensions[_KEY]
    body = json_bodies.read(request, RetrievalRequest)
    typed = codes.typed(
        access_key=body.access_key,
        auth_code_1=body.auth_code_1,
        auth_code_2=body.auth_code_2,
        auth_code_3=body.auth_code_3,
        office_code=body.office_code,
    )
    retrieved = door.redemption.redeem(typed, body.csr.encode(), request.remote_addr or "")
    return certificate_response(retrieved)


def certificate_response(retrieved: Retrieved) -> Response:
    """Return a certificate in the form that the client accepts: JSON unless it asks for PEM or PKCS#7."""
    certificate = x509.load_der_x509_certificate(retrieved.certificate.der or b"")
    chain = [link.certificate for link in retrieved.chain]
    wanted = request.accept_mimetypes.best_match([JSON, PEM, PKCS7], default=JSON)
    if wanted == PKCS7:
        content: bytes | str = pkcs7.serialize_certificates([certificate, *chain], Encoding.DER)
    elif wanted == PEM:
        content = _pem(certificate, *chain)
    else:
        content = json.dumps(
            {
                "terminal": retrieved.terminal,
                "serial": retrieved.certificate.serial,
                "not_before": _timestamp(retrieved.certificate.not_before),
                "not_after": _timestamp(retrieved.certificate.not_after),
                "certificate": _pem(certificate),
                "chain": _pem(*chain),
            }
        )
    response = Response(content, status=201 if retrieved.is_new else 200, mimetype=wanted)
    response.headers["Cache-Control"] = "no-store"
    return response


def _pem(*certificates: x509.Certificate) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in certificates)


def _timestamp(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
