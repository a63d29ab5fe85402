"""The status door: OCSP, CRLs, CA certificates, time stamps and the audit log's checkpoint, over plain HTTP, for everybody.

Reads only; the keys it holds are the OCSP responder's and the time-stamping unit's.
"""

import base64
import hashlib
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from flask import Blueprint, Flask, Response, abort, current_app, request, send_file
from werkzeug.http import http_date

from ca import authority_certificates, crl_entries, issuers
from ca.crl import crl_file
from ca.crl_encoding import LIST_NAME
from ca.ocsp import Responder
from ca.ocsp_answer import CACHE_SECONDS, Answer
from ca.ocsp_requests import LARGEST_REQUEST
from ca.timestamps import AnswersStamps
from kernel import audit
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Unavailable

TIMESTAMP_RESPONSE = "application/timestamp-reply"
# What a tile's name names never changes; a partial one is of no use once there is a wider one.
FULL_TILE_SECONDS, PARTIAL_TILE_SECONDS = 365 * 86_400, 3_600
CACHING = f"max-age={CACHE_SECONDS}, public, no-transform, must-revalidate"
# A list that shows a revocation is there a second later: what caches keep of the one before delays it, so they ask again soon.
LIST_CACHING = "max-age=2, public, no-transform, must-revalidate"
# Below the folder of CRLs: what gateways follow (docs/gateway.md).
GATEWAY_FOLDER = "gateway"
_GATEWAY_FILE = re.compile(r"head|[1-9][0-9]{0,17}\.(list|delta)")
_KEY = "publication"

blueprint = Blueprint("publication", __name__)


@dataclass(frozen=True)
class Publication:
    """What the status door needs. `crl_folder` is where the CRL job publishes."""

    database: Database
    clock: Clock
    responder: Responder
    crl_folder: Path
    timestamps: AnswersStamps


def create_app(publication: Publication) -> Flask:
    """Build the status door's WSGI application."""
    app = Flask("status", static_folder=None)
    app.url_map.merge_slashes = False  # base64 in the path of an OCSP GET may hold two slashes in a row
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.extensions[_KEY] = publication
    app.register_blueprint(blueprint)
    return app


def _publication() -> Publication:
    publication: Publication = current_app.extensions[_KEY]
    return publication


@blueprint.post("/ocsp")
def ocsp_post() -> Response:
    """Answer RFC 6960 appendix A.1's POST."""
    if request.mimetype != "application/ocsp-request":
        abort(415)
    return _ocsp_response(_publication().responder.answer(request.get_data(), _publication().clock.now()))


@blueprint.errorhandler(413)
def too_large(_error: Exception) -> Response:
    """Refuse what no honest request is long enough for, in the protocol's own form (RFC 6960 §2.3, RFC 3161 §2.4.2)."""
    if request.path == "/tsa":
        return _timestamp_response(b"")
    return _ocsp_response(_publication().responder.answer(b"", _publication().clock.now()))


@blueprint.errorhandler(Unavailable)
def unavailable(trouble: Unavailable) -> Response:
    """Say that the database or a key's custody is away for a while."""
    current_app.logger.warning("unavailable: %s", trouble)
    return Response(status=503, headers={"Retry-After": str(trouble.retry_after), "Cache-Control": "no-store"})


@blueprint.get("/ocsp/<path:encoded>")
def ocsp_get(encoded: str) -> Response:
    """Answer RFC 6960 appendix A.1's GET: the request in base64, URL-escaped, as the path."""
    try:
        der = base64.b64decode(encoded.replace(" ", "+"), validate=True)
    except ValueError:  # also for what is not ASCII
        der = b""
    return _ocsp_response(_publication().responder.answer(der, _publication().clock.now()))


def _ocsp_response(answer: Answer) -> Response:
    response = Response(answer.der, headers=list(answer.fields))
    response.make_conditional(request)
    return response


@blueprint.post("/tsa")
def timestamp() -> Response:
    """Answer RFC 3161 §3.4's POST."""
    if request.mimetype != "application/timestamp-query":
        abort(415)
    return _timestamp_response(request.get_data())


def _timestamp_response(asked: bytes) -> Response:
    answer = _publication().timestamps.answer(asked, _publication().clock.now())
    response = Response(answer, mimetype=TIMESTAMP_RESPONSE)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/crl/<name>.crl")
def crl(name: str) -> Response:
    """Serve a CRL in force as it was published: an issuer's complete one, a partition, or the delta of either."""
    parsed = LIST_NAME.fullmatch(name)
    if parsed is None or not _is_published(parsed["issuer"], int(parsed["partition"] or 0)):
        abort(404)
    try:
        # Opened once: what is told of the file is told of the octets that are sent.
        file = crl_file(_publication().crl_folder, name).open("rb")
    except FileNotFoundError:
        abort(404 if parsed["delta"] else 503)
    stat = os.fstat(file.fileno())
    response = send_file(file, mimetype="application/pkix-crl", etag=False, conditional=False)
    response.content_length = stat.st_size
    response.headers["Cache-Control"] = LIST_CACHING
    response.headers["Last-Modified"] = http_date(stat.st_mtime)
    response.set_etag(f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}")
    response.make_conditional(request, accept_ranges=_asks_for_a_part(), complete_length=stat.st_size)
    response.headers["Accept-Ranges"] = "bytes"
    return response


def _asks_for_a_part() -> bool:
    """Return whether one part is asked for in octets; everything else is passed over (RFC 9110 §14.2)."""
    return request.range is not None and request.range.units == "bytes" and len(request.range.ranges) == 1


def _is_published(issuer: str, partition: int) -> bool:
    with _publication().database.snapshot() as session:
        if issuers.load(session, issuer) is None:
            return False
        return not partition or partition in crl_entries.partitions(session, issuer)


@blueprint.get("/ca/<name>.cer")
def certificate(name: str) -> Response:
    """Serve an authority's certificate, also one that roots gave each other (RFC 5280 §4.2.2.1: DER)."""
    with _publication().database.snapshot() as session:
        der = authority_certificates.named(session, name)
    if der is None:
        abort(404)
    made = x509.load_der_x509_certificate(der).not_valid_before_utc
    return _cacheable(Response(der, mimetype="application/pkix-cert"), made)


@blueprint.get("/ca/<name>.p7c")
def certificates(name: str) -> Response:
    """Serve an issuer's certificate and all that may stand above it, as one message (RFC 5280 §4.2.2.1: certs-only CMS)."""
    with _publication().database.snapshot() as session:
        message = authority_certificates.above(session, name)
    if message is None:
        abort(404)
    return _cacheable(Response(message, mimetype="application/pkcs7-mime"))


@blueprint.get("/checkpoint")
def checkpoint() -> Response:
    """Serve the newest signed head of the audit log (C2SP tlog-checkpoint)."""
    with _publication().database.snapshot() as session:
        newest = audit.latest_checkpoint(session)
    if newest is None:
        abort(404)
    response = Response(newest.note, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/log/<int:number>")
def continuation(number: int) -> Response:
    """Serve the signed statement why the audit log goes on under its second, third … name."""
    with _publication().database.snapshot() as session:
        statement = next((name.statement for name in audit.names(session) if name.number == number), None)
    if statement is None:
        abort(404)
    return _cacheable(Response(statement, mimetype="text/plain"))


@blueprint.get("/tile/<path:name>")
def tile(name: str) -> Response:
    """Serve a hash tile of the audit log (C2SP tlog-tiles): leaves are salted commitments, entries are not published."""
    parsed = audit.TileName.parse(name)
    if parsed is None:
        abort(404)
    with _publication().database.snapshot() as session:
        hashes = audit.published_tile(session, parsed)
    if hashes is None:
        abort(404)
    response = Response(hashes, mimetype="application/octet-stream")
    seconds = FULL_TILE_SECONDS if parsed.is_full else PARTIAL_TILE_SECONDS
    response.headers["Cache-Control"] = f"max-age={seconds}, public, immutable, no-transform"
    return response


@blueprint.get("/gateway/<name>")
def gateway_list(name: str) -> Response:
    """Serve the gateways' positive list: its signed head, a list, a delta, as they were published.

    For everybody, as the CRLs are: fingerprints do not say whose they are, and who has a certificate can ask OCSP about it.
    """
    if not _GATEWAY_FILE.fullmatch(name):
        abort(404)
    try:
        file = (_publication().crl_folder / GATEWAY_FOLDER / name).open("rb")
    except FileNotFoundError:
        abort(503 if name == "head" else 404)
    response = send_file(file, mimetype="text/plain", etag=False, conditional=False)
    # What has a number never changes.
    response.headers["Cache-Control"] = "no-cache" if name == "head" else "max-age=86400, public, immutable, no-transform"
    return response


def _cacheable(response: Response, modified: datetime | None = None) -> Response:
    """Allow caches a minute, and let clients ask whether anything changed."""
    response.headers["Cache-Control"] = CACHING
    if modified is not None:
        response.headers["Last-Modified"] = http_date(modified)
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest())
    response.make_conditional(request)
    return response
