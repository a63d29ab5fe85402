"""The gateways' positive list at the status door: the files as the job published them, signed as they are.

Public, as the CRLs are: a list of fingerprints says of nobody whose they are; who has a certificate can see whether it is good.
"""

import re
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, send_file

_NAME = re.compile(r"head|[1-9][0-9]{0,17}\.(list|delta)")
_KEY = "gateway-list"
# What has a number never changes.
_FOREVER = "max-age=86400, public, immutable, no-transform"

blueprint = Blueprint("gateway_list", __name__)


def mount(app: Flask, folder: Path) -> None:
    """Add the list to a door; `folder` is where the job publishes it."""
    app.extensions[_KEY] = folder
    app.register_blueprint(blueprint)


@blueprint.get("/gateway/<name>")
def published(name: str) -> Response:
    """Serve the head, a list or a delta."""
    folder: Path = current_app.extensions[_KEY]
    if not _NAME.fullmatch(name):
        abort(404)
    try:
        file = (folder / name).open("rb")
    except FileNotFoundError:
        abort(503 if name == "head" else 404)
    response = send_file(file, mimetype="text/plain", etag=False, conditional=False)
    response.headers["Cache-Control"] = "no-cache" if name == "head" else _FOREVER
    return response
