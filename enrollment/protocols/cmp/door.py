"""CMP over HTTP (RFC 9811): a message is posted, a message is answered, with 200 whatever it says.

What is no CMP message gets 400, and 503 says that not even an error can be signed now. A label below the address, RFC 9483
§6.1's operations among them, leads to the one CA.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response, abort, current_app, request

from enrollment.protocols.cmp.failures import LARGEST, NotCmp
from kernel.errors import Unavailable

if TYPE_CHECKING:
    from enrollment.protocols.cmp.operations import Operations

MEDIA_TYPE = "application/pkixcmp"
_KEY = "cmp"
_OPERATIONS = {
    "initialization",
    "certification",
    "pkcs10",
    "keyupdate",
    "revocation",
    "getcacerts",
    "getrootupdate",
    "getcertreqtemplate",
    "getcrls",
}
# RFC 9811 §3.4: `p/` and the name of a profile, or of a CA.
_PROFILE = re.compile(r"p/[A-Za-z0-9._~-]{1,64}")

blueprint = Blueprint("cmp", __name__)


@dataclass(frozen=True)
class CmpDoor:
    """What CMP needs; `make` is called when the first message has come: few terminals speak CMP, and it takes much code."""

    make: Callable[[], "Operations"]

    @cached_property
    def operations(self) -> "Operations":
        """What answers messages."""
        return self.make()


def mount(app: Flask, door: CmpDoor) -> None:
    """Add CMP to a door's app."""
    app.extensions[_KEY] = door
    app.register_blueprint(blueprint)


@blueprint.post("/.well-known/cmp")
@blueprint.post("/.well-known/cmp/<path:rest>")
def exchange(rest: str = "") -> Response:
    """Answer one message."""
    profile = _PROFILE.match(rest)
    operation = rest[profile.end() :].removeprefix("/") if profile else rest
    if operation and operation not in _OPERATIONS:
        abort(404)
    if request.mimetype != MEDIA_TYPE:
        abort(415)
    request.max_content_length = LARGEST
    octets = request.get_data()
    door: CmpDoor = current_app.extensions[_KEY]
    try:
        answer = _answered(door, octets, request.remote_addr or "")
    except NotCmp:
        abort(400)
    response = Response(answer, mimetype=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def _answered(door: CmpDoor, octets: bytes, source: str) -> bytes:
    try:
        return door.operations.answer(octets, source)
    except (NotCmp, Unavailable):
        raise
    except Exception:
        current_app.logger.exception("internal error")
        return door.operations.broken(octets)
