"""A real Exim of one's own: an unprivileged daemon with its configuration, spool and logs in one folder, on loopback only.

It takes every mail, hands it on to one server on loopback, and what it writes about undeliverable ones goes by the router and
transport of docs/mails.md into a Maildir.
"""

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port
from tests.support.postgres import Account
from tests.support.required import missing
from tests.support.schema import ROOT

# Whoever wants to be late is tried for an hour; all others are given up soon.
PATIENT, HASTY = "late.example", "*"
_PROGRAMS = ("exim4", "exim", "/usr/sbin/exim4", "/usr/sbin/exim")
_MAIN = """
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
primary_hostname = relay.example.jp
exim_user = {account.uid}
exim_group = {account.gid}
deliver_drop_privilege = true
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
keep_environment =
host_lookup =
tls_advertise_hosts =
dsn_advertise_hosts = *
delay_warning = 1s
{settings}
acl_smtp_rcpt = acl_all

begin acl
acl_all:
  accept

begin routers
{router}
onward:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = onward

begin transports
{transport}
onward:
  driver = smtp
  port = {onward}
  allow_localhost = true
  hosts_avoid_tls = *

begin retry
{patient} * F,1h,1s
{hasty} * F,2s,1s
"""


@dataclass(frozen=True)
class Exim:
    """A running one: where it listens, and the Maildir of what came back."""

    folder: Path
    port: int

    @property
    def bounces(self) -> Path:
        """Return the Maildir."""
        return self.folder / "bounces"

    @property
    def log(self) -> str:
        """Return what it wrote about its work."""
        return "".join(path.read_text(errors="replace") for path in sorted((self.folder / "log").iterdir()))


@contextmanager
def running(onward: int) -> Iterator[Exim]:
    """Run one that hands everything on to a port of loopback; at the end it is stopped and its folder removed."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None) or missing("exim4")
    account, folder = Account.present(), Path(tempfile.mkdtemp(prefix="tegata-exim-"))
    exim = Exim(folder, free_port())
    folders = [folder, *(folder / name for name in ("spool", "log", "bounces", "bounces/new", "bounces/cur", "bounces/tmp"))]
    for each in folders:
        each.mkdir(exist_ok=True)
        os.chown(each, account.uid, account.gid)
    (folder / "exim.conf").write_text(_configuration(exim, account, onward), encoding="ascii")
    (folder / "exim.conf").chmod(0o644)
    process = account.start([program, "-C", str(folder / "exim.conf"), "-bdf", "-q1s"], folder, folder / "said")
    try:
        _await(exim, lambda: process.poll() is None)
        yield exim
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _configuration(exim: Exim, account: Account, onward: int) -> str:
    """Return a whole configuration around what docs/mails.md says, with the operator's names in it replaced."""
    document = (ROOT / "docs" / "mails.md").read_text(encoding="utf-8")
    router, transport = (
        re.sub("^    ", "", found, flags=re.MULTILINE)
        for found in re.findall(r"^    tegata_bounces:\n(?:      .*\n)+", document, re.MULTILINE)
    )
    owner = f"user = {account.uid}\n  group = {account.gid}"
    for old, new in (("/var/lib/tegata/bounces", str(exim.bounces)), ("user = tegata", owner)):
        assert old in transport
        transport = transport.replace(old, new)
    [setting] = re.findall(r"^    (delay_warning_condition = .*)$", document, re.MULTILINE)
    return _MAIN.format(
        folder=exim.folder,
        account=account,
        port=exim.port,
        settings=setting,
        router=router,
        transport=transport,
        onward=onward,
        patient=PATIENT,
        hasty=HASTY,
    )


def _await(exim: Exim, is_running: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while is_running() and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", exim.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError((exim.folder / "said").read_text(errors="replace") + exim.log)
