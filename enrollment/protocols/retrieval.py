"""The retrieval door's REST interface: codes and a CSR for a certificate. It never asks for a client certificate."""

from dataclasses import dataclass

from flask import Blueprint, Flask, Response, current_app, request

from enrollment import codes
from enrollment.protocols import json_bodies, openapi, problems
from enrollment.protocols.certificate_answers import FORMS, PEM, PKCS7, CertificateAnswer, certificate_response
from enrollment.protocols.json_bodies import Pkcs10, Typed
from enrollment.protocols.openapi import Answer, Operation
from enrollment.redemption import Redemption

_KEY = "retrieval"

blueprint = Blueprint("retrieval", __name__)


@dataclass(frozen=True)
class RetrievalDoor:
    """What the retrieval door needs."""

    redemption: Redemption


class RetrievalRequest(json_bodies.StrictBody):
    """`POST /api/v1/retrievals`: the five inputs as on the ID notice, and a PKCS#10 request as PEM."""

    access_key: Typed
    auth_code_1: Typed
    auth_code_2: Typed
    auth_code_3: Typed
    office_code: Typed
    csr: Pkcs10

    def typed(self) -> codes.Codes:
        """Return the codes in normal form; raises Refused("input-invalid", field=…)."""
        return codes.typed(
            access_key=self.access_key,
            auth_code_1=self.auth_code_1,
            auth_code_2=self.auth_code_2,
            auth_code_3=self.auth_code_3,
            office_code=self.office_code,
        )


OPERATIONS = {
    "retrieval.retrieve": Operation(
        "retrieve",
        "Redeem codes for a certificate. The same codes with the same key may be sent again at any time.",
        "ID通知内容の5項目とCSRを送信し、証明書を取得します。同じコードと同じ鍵であれば、何度送信しても安全です。",
        {
            201: Answer("A new certificate", CertificateAnswer, (PEM, PKCS7)),
            200: Answer("The certificate that this key was given before", CertificateAnswer, (PEM, PKCS7)),
        },
        frozenset({"codes-wrong", "throttled", "codes-spent", "codes-frozen", "codes-expired", "codes-replaced"})
        | {"terminal-suspended", "terminal-abolished", "certificate-revoked", "certificate-held", "start-date-too-far"}
        | {
            "csr-malformed",
            "csr-signature",
            "key-unsupported",
            "key-weak",
            "key-too-short-for-period",
            "key-used",
            "key-blocked",
        },
        RetrievalRequest,
    )
}


def create_app(door: RetrievalDoor) -> Flask:
    """Build the retrieval door's WSGI application."""
    app = Flask("retrieval", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = json_bodies.LARGEST_BODY
    app.extensions[_KEY] = door
    app.register_blueprint(blueprint)
    problems.register(app)
    openapi.mount(app, "tegata: retrieval door", "Codes for a certificate / 証明書の取得", OPERATIONS)
    return app


@blueprint.post("/api/v1/retrievals")
def retrieve() -> Response:
    """Redeem codes: 201 with the certificate, 200 when the same key had it already, else a problem."""
    door: RetrievalDoor = current_app.extensions[_KEY]
    form = json_bodies.accepted(request, *FORMS)
    body = json_bodies.read(request, RetrievalRequest)
    retrieved = door.redemption.redeem(body.typed(), body.csr.encode(), request.remote_addr or "")
    return certificate_response(form, retrieved)
