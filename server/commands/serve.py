"""`tegata serve`: everything in the foreground, or one door (or the jobs) by itself."""

import importlib
import socket
from collections.abc import Mapping
from functools import partial
from typing import cast

import click
from sqlalchemy import make_url
from sqlalchemy.orm import configure_mappers

from server import loading, logs, process, shared
from server.cli import telling
from server.doors import Door, listen, serve
from server.forking import may_fork
from server.front import Front, Wsgi
from server.settings import DOORS, OPTIONAL_DOORS, Settings
from server.supervisor import Child, Supervisor
from server.tls import Credentials
from server.tls_files import keep_written, write_at_start
from server.trouble import Trouble
from server.wiring import Assemble, finished_home, home_of
from server.worker import PatientWorker

JOBS = "jobs"
# Doors that have a lane, over plain HTTP, and where their workers are.
LANES: Mapping[str, tuple[str, str]] = {
    "status": ("server.express_worker", "ExpressWorker"),
    "retrieval": ("server.batch_worker", "BatchWorker"),
}


@click.command()
@click.argument("part", required=False, type=click.Choice([*DOORS, *OPTIONAL_DOORS, JOBS]))
@click.option("--parent", type=int, hidden=True, help="Process to end with.")
@click.option("--ready-fd", type=int, hidden=True, help="Pipe to tell readiness through.")
@click.option("--listen-fd", type=int, hidden=True, help="Socket that is open already.")
def command(part: str | None, parent: int | None, ready_fd: int | None, listen_fd: int | None) -> None:
    """Serve all doors and run the jobs, or one PART only, until Ctrl-C."""
    if parent is not None:
        process.follow_parent(parent)
    chosen = finished_home()
    if part is None:
        serve_all(chosen)
        return
    listener = socket.socket(fileno=listen_fd) if listen_fd is not None else None
    serve_part(chosen, part, listener, process.Starting(ready_fd))


def serve_part(chosen: Settings, part: str, listener: socket.socket | None, starting: process.Starting) -> None:
    """Serve one door, on a socket that is open already or one of its own, or run the jobs, until SIGTERM."""
    logs.configure(part, chosen.log_level)
    try:
        _serve_part(chosen, part, listener, starting)
    except Trouble as trouble:  # whoever called puts it on standard error
        starting.gave_up(str(trouble))
        raise


def _serve_part(chosen: Settings, part: str, listener: socket.socket | None, starting: process.Starting) -> None:
    if part == JOBS:
        with loading.undisturbed():
            jobs = importlib.import_module("server.apps.jobs")
        jobs.run(chosen, starting)
        return
    if chosen.door(part).scheme == "https":
        write_at_start(chosen, part)
    serve(door_of(chosen, part), listener or listen(part, chosen.door(part)), starting)


def door_of(chosen: Settings, name: str) -> Door:
    """Return a door with its app (made later, in the worker) and its TLS files.

    Its module and the database's driver are loaded, and its tables are settled, before any worker forks: that is in memory once.
    """
    credentials = credentials_of(chosen, name)
    with loading.undisturbed():
        worker = _lane_of(name) if credentials is None and name in LANES else PatientWorker
        assemble = cast("Assemble", importlib.import_module(f"server.apps.{name}").assemble)
        make_url(chosen.database_address).get_dialect().import_dbapi()
        configure_mappers()
    return Door(name, chosen.door(name), partial(app_of, chosen, name, assemble), credentials, worker)


def _lane_of(name: str) -> type[PatientWorker]:
    module, worker = LANES[name]
    return cast("type[PatientWorker]", getattr(importlib.import_module(module), worker))


def app_of(chosen: Settings, name: str, assemble: Assemble) -> Wsgi:
    """Make a door's app, in the worker: connections and keys are never shared between processes."""
    made = assemble(chosen)
    if chosen.door(name).scheme == "https":
        keep_written(chosen, name)
    for begin in made.beside:
        begin()
    strict = chosen.door(name).is_strictly_https
    return Front(made.app, made.checks, chosen.trusted_proxies, made.express, chosen.certificate_proxies, strict, made.lane)


def credentials_of(chosen: Settings, name: str) -> Credentials | None:
    """Return a door's TLS files; the status door speaks plain HTTP."""
    if chosen.door(name).scheme == "http":
        return None
    home = home_of(chosen)
    if not (home.tls / f"{name}.pem").exists():
        raise Trouble(f"{home.tls / name}.pem is missing: `tegata init` writes it anew")
    return Credentials(
        chain=home.tls / f"{name}.pem",
        key=home.tls / f"{name}.key",
        passphrase=partial(_passphrase, chosen),
        clients=home.tls / "clients.pem" if name == "terminals" else None,
    )


def serve_all(chosen: Settings) -> None:
    """Open every socket, start every process, say where they are, keep them alive."""
    children = [_child(chosen, name, listen(name, chosen.door(name))) for name in chosen.doors]
    children.append(_child(chosen, JOBS, None))
    if may_fork():
        shared.load(chosen.database_url)
    supervisor = Supervisor(children, lambda line: click.echo(f"tegata: {line}", err=True))
    supervisor.run(lambda: announce(chosen))
    click.echo("tegata has stopped.")


def announce(chosen: Settings) -> None:
    """Tell where the doors are and where a demo's log-ins stand."""
    lines = ["tegata is ready:", *(f"  {name:<10} {chosen.door(name).url}" for name in chosen.doors)]
    if chosen.demo:
        lines.append(f"Demo log-ins: {home_of(chosen).demo_file}")
    lines.append(
        f"Browsers and clients trust {home_of(chosen).root_bundle}. Logs: {home_of(chosen).logs}. Ctrl-C stops everything."
    )
    click.echo("\n".join(lines))


def _child(chosen: Settings, name: str, listener: socket.socket | None) -> Child:
    def live(starting: process.Starting) -> None:
        telling(partial(serve_part, chosen, name, listener, starting))

    return Child(name, ["serve", name], home_of(chosen).logs / f"{name}.log", listener, live=live)


def _passphrase(chosen: Settings) -> bytes:
    return chosen.secret("keys_passphrase").encode()
