"""Files on their way out of a door, to be saved: ours, and those of customers with why they can not be had."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

import flask
from werkzeug.wrappers import Response

from registry.attachments import Attachment
from webui.refusals import Sentence
from webui.texts import mark

SENTENCES: Mapping[str, Sentence] = {
    "attachment-unknown": Sentence(mark("この添付ファイルは見つかりません。"), HTTPStatus.NOT_FOUND),
    "attachment-lost": Sentence(mark("この添付ファイルは失われたか壊れています。お手数ですが、もう一度送信してください。")),
}
# For a browser that opens it all the same: an origin of its own, which may load, run and embed nothing.
_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


def pdf(content: bytes, name: str) -> flask.Response:
    """Return a document of ours to be saved; `name` is ASCII."""
    return file(content, "application/pdf", name)


def file(content: bytes | str, content_type: str, name: str) -> flask.Response:
    """Return a file of ours to be saved; `name` is ASCII."""
    response = flask.Response(content, content_type=content_type)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def attachment(found: Attachment, content: bytes) -> Response:
    """Return a customer's file to be saved: octets of no type, under its clean name."""
    response = flask.Response(content, content_type="application/octet-stream")
    # RFC 6266 §4.3, RFC 8187: the name in UTF-8, beside one for those who read only ASCII.
    extension = found.name.rpartition(".")[2]
    plain = found.name if found.name.isascii() else f"attachment.{extension}"
    named = {"filename": plain, "filename*": f"UTF-8''{quote(found.name, safe='')}"}
    response.headers.set("Content-Disposition", "attachment", **named)
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Download-Options"] = "noopen"
    return response
