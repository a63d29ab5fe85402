"""The client certificate of a request: from the TLS handshake, or from a reverse proxy that ended TLS in front of us.

A proxy hands it on in two headers, as nginx writes them (`deploy/nginx`): `X-SSL-Client-Verify: $ssl_client_verify` and
`X-SSL-Client-Cert: $ssl_client_escaped_cert`. They count from the proxies of the setting `certificate_proxies` alone, and
from those nothing else counts; every other client's copies are thrown away before an app sees them.
"""

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

HEADERS = ("HTTP_X_SSL_CLIENT_VERIFY", "HTTP_X_SSL_CLIENT_CERT")
# Where `server.front` leaves what a trusted proxy said: the two headers' values.
BY_PROXY = "tegata.client_certificate"
# Time and revocation are judged by us, from the database, so that the answer can say what is wrong (as in our own handshakes).
# OpenSSL tells a proxy the last fault that it found, so more may be wrong with such a chain: whoever takes a certificate from
# here compares it, to the octet, with those that we issued.
_VERIFIED = (
    "SUCCESS",
    "FAILED:certificate has expired",
    "FAILED:certificate is not yet valid",
    "FAILED:certificate revoked",
)


def client_certificate(environ: Mapping[str, Any]) -> bytes | None:
    """Return the certificate (DER) whose key the client has proven to hold; None without one.

    What a proxy garbled is returned as it came: it will be refused as unreadable.
    """
    if BY_PROXY in environ:
        return _from_proxy(*environ[BY_PROXY])
    certificate: bytes | None = environ["gunicorn.socket"].getpeercert(binary_form=True)
    return certificate or None


def _from_proxy(verify: str, escaped: str) -> bytes | None:
    if verify not in _VERIFIED or not escaped:
        return None
    pem = unquote(escaped)
    try:
        return ssl.PEM_cert_to_DER_cert(pem)
    except ValueError:
        return pem.encode("utf-8", "replace")
