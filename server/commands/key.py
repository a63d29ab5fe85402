"""`tegata key`: keys that were compromised, keys that the world knows, and backups of those in tokens."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from ca import published_keys
from ca.published_keys import FILE_NAME, PACKAGED, PublishedKeys
from ca.requests import spki_digest
from enrollment.blocking import KeyBlocking
from kernel import audit
from server.commands.key_backups import backup, restore
from server.corresponding import letters_of
from server.home import write_whole
from server.root_key import lists_to_come
from server.trouble import Trouble
from server.wiring import clock_of, database_of, finished_home

# What is larger is no key.
LARGEST_KEY = 65_536
_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_READERS: tuple[Callable[[bytes], object], ...] = (
    lambda content: x509.load_pem_x509_certificate(content).public_key(),
    lambda content: x509.load_der_x509_certificate(content).public_key(),
    lambda content: x509.load_pem_x509_csr(content).public_key(),
    lambda content: x509.load_der_x509_csr(content).public_key(),
    load_pem_public_key,
    load_der_public_key,
)
# Of a key that was published there is often the private half alone.
_MORE_READERS: tuple[Callable[[bytes], object], ...] = (
    lambda content: load_pem_private_key(content, None, unsafe_skip_rsa_key_validation=True).public_key(),
    lambda content: load_der_private_key(content, None, unsafe_skip_rsa_key_validation=True).public_key(),
    lambda content: load_ssh_private_key(content, None).public_key(),
    load_ssh_public_key,
)


@click.group()
def command() -> None:
    """Look after keys: those that may not be used, and our own in tokens."""


command.add_command(backup)
command.add_command(restore)


@command.command("block")
@click.argument("keys", nargs=-1, required=True, metavar="FILE|HASH...")
def block(keys: tuple[str, ...]) -> None:
    """Block keys for good, and revoke every certificate on them (keyCompromise).

    A key is named by SHA-256 over its SubjectPublicKeyInfo (64 hexadecimal digits), or by a file with a certificate, a
    certification request or a public key, in PEM or DER, or with such hashes, one a line. Run again after an interruption.
    """
    wanted = [digest for key in keys for digest in digests_of(key)]
    home = finished_home()
    blocking = KeyBlocking(database_of(home), clock_of(home), letters_of(home))
    done = blocking.block(wanted, audit.operator(f"cli/{os.getuid()}"))
    click.echo(
        f"{done.keys} keys blocked ({len(set(wanted)) - done.keys} were before), {done.certificates} certificates revoked, "
        f"{done.being_made} retrievals stopped"
    )
    for sentence in lists_to_come(home, blocking.database, blocking.clock.now()):
        click.echo(sentence)


@command.command("learn")
@click.argument("sources", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path(path_type=Path, exists=True))
def learn(sources: tuple[Path, ...]) -> None:
    """Learn keys whose private half is known to the world: no terminal gets a certificate for one.

    A source is badkeys' blocklist.dat, which holds Debian's weak keys of 2006 to 2008 and leaked ones (`badkeys --update-bl`
    fetches it), or a key, certificate or request (private keys, too; PEM, DER or OpenSSH), or a folder of them. What was
    learnt before stays. Doors that are open learn when they are opened again.
    """
    own = finished_home().home / FILE_NAME
    known = _opened(own)
    lists, keys, others = [known], [], 0
    for file in _files(sources):
        content = file.read_bytes() if file.stat().st_size <= LARGEST_KEY else b""
        if file.name == FILE_NAME:
            lists.append(_opened(file))
        elif (key := _published(content)) is not None:
            keys.append(key)
        else:
            others += 1
    records = b"".join(published_keys.merged(lists, keys))
    if records:
        write_whole(own, records)
    now_known = len(_opened(own))
    click.echo(f"{now_known - len(known)} keys learnt, {now_known} known; {others} files hold no key that a terminal could have")


@command.command("published")
def published() -> None:
    """Show how many keys are known whose private half the world has."""
    file = finished_home().home / FILE_NAME
    click.echo(f"{len(PACKAGED)} keys that stand in RFCs come with tegata.")
    if file.exists():
        click.echo(f"{len(_opened(file))} more were learnt: {file}")
    else:
        click.echo(
            "No others were learnt: Debian's weak keys of 2006 to 2008 and leaked ones are not recognised (`tegata key learn`)."
        )


def _opened(file: Path) -> PublishedKeys:
    try:
        return PublishedKeys(file)
    except ValueError as error:
        raise Trouble(str(error)) from error


def _files(sources: tuple[Path, ...]) -> Iterator[Path]:
    for source in sources:
        yield from sorted(file for file in source.rglob("*") if file.is_file()) if source.is_dir() else (source,)


def _published(content: bytes) -> object | None:
    """Return the key in a file, if there is one of a kind that a terminal could have."""
    for read in (*_READERS, *_MORE_READERS):
        try:
            key = read(content)
            published_keys.name_of(key)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
            continue
        return key
    return None


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
