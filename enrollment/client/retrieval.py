"""Retrieving: codes in, key and certificate on disk out.

    key on disk → request sent → answer judged → chain, certificate, key written

Whatever breaks in between is cured by the same call again: it takes up the key that lies there, and the door gives the
same key the same certificate.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from enrollment.client import chain, connection
from enrollment.client.connection import Server
from enrollment.client.folder import Folder, Form
from enrollment.client.issued import certificates_of, request_of
from enrollment.codes import Codes

PATH = "/api/v1/retrievals"


@dataclass(frozen=True)
class Retrieval:
    """What was retrieved. `starts_later` when the certificate is fine and its first second lies ahead."""

    terminal: str
    serial: str
    not_before: datetime
    not_after: datetime
    starts_later: bool
    is_new: bool
    files: tuple[Path, ...]
    certificate: x509.Certificate = field(repr=False)


def retrieve(codes: Codes, server: Server, folder: Path, *, form: Form = Form.PEM, passphrase: bytes | None = None) -> Retrieval:
    """Make a key, redeem the codes for its certificate and keep both in the folder.

    `codes` come from `inputs`. Raises Refused with what the door says (`connection.post`), with what is wrong about
    the folder (files-exist, folder-unwritable, passphrase-needed, passphrase-wrong, key-unreadable) or about the
    answer (answer-unexpected, certificate-of-another-key, certificate-of-another-terminal, chain-broken), in which
    case nothing but the pending key is kept.
    """
    trusted = require_ready(server, folder, form, passphrase)
    place = Folder(folder, passphrase)
    key = place.pending_key()
    answer = connection.post(server, PATH, _request(codes, key))
    certificate, above = certificates_of(answer)
    now = server.clock.now()
    chain.require_own_key(certificate, key)
    chain.require_chain(certificate, above, trusted, now)
    terminal = chain.require_terminal(certificate, codes)
    files = place.keep(certificate, above, terminal, form)
    return Retrieval(
        terminal=terminal,
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        starts_later=now < certificate.not_valid_before_utc,
        is_new=answer.status == 201,  # noqa: PLR2004 (RFC 9110 §15.3.2: created)
        files=files,
        certificate=certificate,
    )


def require_ready(server: Server, folder: Path, form: Form, passphrase: bytes | None) -> list[x509.Certificate]:
    """Return the trusted roots; raise the refusals that need no codes, so that nobody types them for nothing.

    Those are address-invalid, proxy-invalid, trust-unreadable, files-exist, passphrase-needed.
    """
    connection.require_address(server.url)
    if server.proxy is not None:
        connection.require_proxy(server.proxy)
    Folder(folder, passphrase).require_room(form)
    return chain.roots(server.ca_bundle)


def _request(codes: Codes, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    return {
        "access_key": codes.access_key,
        "auth_code_1": codes.auth_code_1,
        "auth_code_2": codes.auth_code_2,
        "auth_code_3": codes.auth_code_3,
        "office_code": codes.office_code,
        "csr": request_of(key),
    }
