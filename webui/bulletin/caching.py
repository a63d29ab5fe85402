"""Answers that caches may keep: the same for everyone, named by their hash."""

from datetime import datetime
from typing import cast

import flask

HTML = "text/html; charset=utf-8"
# A minute of delay is nobody's harm; a morning on which all offices look at once is answered from their proxies.
MINUTE, HOUR = 60, 3600


def kept(body: str, *, seconds: int = MINUTE, content_type: str = HTML, modified: datetime | None = None) -> flask.Response:
    """Return an answer that may be kept so long, or 304 when the reader has it (RFC 9110 §13)."""
    response = answer(body, seconds=seconds, content_type=content_type)
    response.last_modified = modified
    response.add_etag()
    return cast("flask.Response", response.make_conditional(flask.request))


def answer(body: str, *, status: int = 200, seconds: int = MINUTE, content_type: str = HTML) -> flask.Response:
    """Return an answer that may be kept so long."""
    response = flask.Response(body, status, content_type=content_type)
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    return response
