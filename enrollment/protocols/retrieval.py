"""The retrieval door's REST interface: codes and a CSR for a certificate. It never asks for a client certificate."""

from dataclasses import dataclass

from flask import Blueprint, Flask, Response, current_app, request

from enrollment import codes
from enrollment.protocols import json_bodies, problems
from enrollment.protocols.certificate_answers import certificate_response
from enrollment.redemption import Redemption

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
    return certificate_response(request, retrieved)
