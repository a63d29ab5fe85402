"""`tegata key`: keys that were compromised."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from ca.requests import spki_digest
from enrollment.blocking import KeyBlocking
from kernel import audit
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home

_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_READERS: tuple[Callable[[bytes], object], ...] = (
    lambda content: x509.load_pem_x509_certificate(content).public_key(),
    lambda content: x509.load_der_x509_certificate(content).public_key(),
    lambda content: x509.load_pem_x509_csr(content).public_key(),
    lambda content: x509.load_der_x509_csr(content).public_key(),
    load_pem_public_key,
    load_der_public_key,
)


@click.group()
def command() -> None:
    """Look after keys that may not be used."""


@command.command("block")
@click.argument("keys", nargs=-1, required=True, metavar="FILE|HASH...")
def block(keys: tuple[str, ...]) -> None:
    """Block keys for good, and revoke every certificate on them (keyCompromise).

    A key is named by SHA-256 over its SubjectPublicKeyInfo (64 hexadecimal digits), or by a file with a certificate, a
    certification request or a public key, in PEM or DER, or with such hashes, one a line. Run again after an interruption.
    """
    wanted = [digest for key in keys for digest in digests_of(key)]
    home = finished_home()
    done = KeyBlocking(database_of(home), clock_of(home)).block(wanted, audit.operator(f"cli/{os.getuid()}"))
    click.echo(
        f"{done.keys} keys blocked ({len(set(wanted)) - done.keys} were before), {done.certificates} certificates revoked, "
        f"{done.being_made} retrievals stopped"
    )


def digests_of(key: str) -> Iterator[bytes]:
    """Yield what a word of the command line names; raises Trouble when it names nothing."""
    if _HASH.fullmatch(key):
        yield bytes.fromhex(key)
        return
    try:
        content = Path(key).read_bytes()
    except OSError as error:
        raise Trouble(f"{key} is no hash of 64 hexadecimal digits, and can not be read as a file: {error.strerror}") from error
    lines = [line.partition(b"#")[0].strip().decode("ascii", "replace") for line in content.splitlines()]
    hashes = [line for line in lines if line]
    if hashes and all(_HASH.fullmatch(line) for line in hashes):
        yield from map(bytes.fromhex, hashes)
        return
    yield spki_digest(_public_key(key, content))


def _public_key(name: str, content: bytes) -> object:
    for read in _READERS:
        try:
            return read(content)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
            continue
    raise Trouble(f"{name} holds no certificate, certification request, public key or list of hashes")
