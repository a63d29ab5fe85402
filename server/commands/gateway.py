"""`tegata gateway`: for reverse proxies that let certificates of ours pass: the positive list, the file of CRLs, the key.

`follow` and `crl` run on the gateway's machine and need no home.
"""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ca import issuers
from enrollment.gateway_follower import Follower
from enrollment.gateway_head import ListRefused
from kernel.audit import NoteError, VerifierKey
from kernel.clock import SystemClock
from server import logs
from server.custody import gateway_signer_of
from server.following import KeptFetch, ListFollowing, Proxy, RevocationFile, fetching
from server.issuing import addresses_of
from server.jobs import stop_signals
from server.trouble import Trouble
from server.wiring import database_of, finished_home

_log = logs.logger("server.gateway")
_PATH = click.Path(dir_okay=False, path_type=Path)
_BUNDLE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Look after gateways: what they are given, and what they make of it."""


def _shared(decorated: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--every", type=click.IntRange(1, 86_400), help="Seconds; else once."),
        click.option("--reload", "reload_command", default="", help="What lets the proxy read the file anew, without a shell."),
        click.option("--output", type=_PATH, required=True, help="The file that the proxy includes."),
    ):
        decorated = option(decorated)
    return decorated


@command.command("vkey")
def vkey() -> None:
    """Print the key of the positive list (C2SP signed-note), which gateways must have from us, not from the list."""
    click.echo(gateway_signer_of(finished_home()).verifier)


@command.command("follow")
@click.option("--from", "address", required=True, help="The status door, http://HOST[:PORT].")
@click.option("--vkey", "key", required=True, help="The list's verifier key, as `tegata gateway vkey` prints it, or its file.")
@_shared
def follow(address: str, key: str, output: Path, reload_command: str, every: int | None) -> None:
    """Keep nginx's map of certificates that are good: what is not listed does not pass."""
    verifier = _verifier(key)
    check = Ed25519PublicKey.from_public_bytes(verifier.public_key).verify
    proxy = Proxy(output, tuple(shlex.split(reload_command)))
    following = ListFollowing(
        Follower(verifier, check), fetching(f"{address.rstrip('/')}/gateway"), proxy, SystemClock()
    )  # fmt: skip
    try:
        following.begin()
    except ListRefused as refused:
        raise Trouble(f"{output}.head and {output}.list do not fit: {refused}; look why, then delete both") from refused
    _repeat(following.once, every)


@command.command("crl")
@click.option("--ca", "bundle", type=_BUNDLE, required=True, help="Root and issuing CAs, as in ssl_client_certificate.")
@click.option("--list", "lists", multiple=True, help="Address of a complete CRL, one for each of them; else as our home says.")
@_shared
def crl(bundle: Path, lists: tuple[str, ...], output: Path, reload_command: str, every: int | None) -> None:
    """Keep the one file that nginx's ssl_crl reads: the lists of all authorities above a certificate."""
    try:
        authorities = x509.load_pem_x509_certificates(bundle.read_bytes())
    except ValueError as error:
        raise Trouble(f"{bundle} holds no certificates") from error
    proxy = Proxy(output, tuple(shlex.split(reload_command)))
    addresses = lists or _lists_of_home()
    file = RevocationFile(tuple(authorities), addresses, KeptFetch(), proxy, SystemClock())
    _repeat(file.once, every)


def _lists_of_home() -> tuple[str, ...]:
    chosen = finished_home()
    with database_of(chosen).snapshot() as session:
        return tuple(addresses_of(chosen).crl(issuer.name) for issuer in issuers.load_all(session))


def _verifier(given: str) -> VerifierKey:
    file = Path(given)
    try:
        return VerifierKey.parse(file.read_text(encoding="utf-8") if "+" not in given else given)
    except (NoteError, UnicodeDecodeError) as error:
        raise Trouble(f"{given[:60]} is no verifier key") from error


def _repeat(once: Callable[[], bool], every: int | None) -> None:
    """Do it once, or again and again until SIGTERM; then what fails is logged, and tried again."""
    if every is None:
        try:
            once()
        except (ListRefused, OSError) as error:
            raise Trouble(str(error)) from error
        return
    logs.configure("gateway", "info")
    with stop_signals() as stop:
        while True:
            try:
                if once():
                    _log.info("gateway.told")
            except (ListRefused, OSError, Trouble) as error:
                _log.warning("gateway.not-followed", reason=str(error))
            if stop.wait(every):
                return
