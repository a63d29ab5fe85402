"""OCSP as the status door serves it, beside nginx with a file of the same size, cfssl, `openssl ocsp` and the raw signature rate.

Rates are per core-second: requests by the CPU time of all processes that answered them. wrk asks over 32 kept-alive
connections; `openssl ocsp` gets a connection for each request. `cfssl ocspserve` serves our own answer for the same
certificate, read from its file. Run as `python -m bench.ocsp [--times 5] [--seconds 3]`; needs Debian's nginx and wrk, and
measures cfssl when it is there.
"""

import argparse
import base64
import os
import re
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bench import measure
from ca import issuers, revocation
from ca.certificates import of_subject
from ca.revocation import Reason
from kernel.clock import SystemClock
from kernel.database import Database, connect
from server.supervisor import READY_WITHIN

ROOT = Path(__file__).resolve().parents[1]
DOOR, NGINX, OPENSSL, CFSSL = 19080, 19081, 19082, 19083
TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 32
NGINX_CONF = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; {options}
    default_type application/ocsp-response; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    server {{ listen 127.0.0.1:{port}; root {folder}; location / {{ expires 60s; }} }}
}}
"""
POST = """
local file = io.open("{file}", "rb"); wrk.body = file:read("*a"); file:close()
wrk.method = "POST"; wrk.headers["Content-Type"] = "application/ocsp-request"
"""
NONCE = """
local file = io.open("{file}", "rb"); local der = file:read("*a"); file:close()
local number, fields = 0, {{["Content-Type"] = "application/ocsp-request"}}
request = function()
  number = number + 1
  return wrk.format("POST", "/ocsp", fields, der:sub(1, #der - 16) .. string.format("%016d", number))
end
"""


@dataclass
class Case:
    """One thing that is asked for, and the rates that were seen."""

    what: str
    url: str
    pids: Sequence[int]
    script: Path | None = None
    rates: list[float] = field(default_factory=list)

    def ask(self, seconds: int) -> None:
        """Ask for some seconds."""
        before = sum(map(cpu, self.pids))
        self.rates.append(self._requests(seconds) / (sum(map(cpu, self.pids)) - before))

    def _requests(self, seconds: int) -> int:
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", *(["-s", str(self.script)] if self.script else []), self.url]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        count = re.search(r"(\d+) requests in", told)
        if count is None or "Non-2xx" in told:
            raise RuntimeError(told)
        return int(count[1])

    @property
    def rate(self) -> float:
        """The median."""
        return statistics.median(self.rates)


@dataclass
class ConnectionEach(Case):
    """As `openssl ocsp` wants it: HTTP/1.0, a connection for each request."""

    der: bytes = b""
    port: int = OPENSSL

    def _requests(self, seconds: int) -> int:
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            self.once()
            count += 1
        return count

    def once(self) -> None:
        """Ask once; raises OSError when there is no answer."""
        head = f"POST /ocsp HTTP/1.0\r\nContent-Type: application/ocsp-request\r\nContent-Length: {len(self.der)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(head.encode("ascii") + self.der)
            answer = connection.recv(65_536)
        if answer[:5] + answer[8:12] != b"HTTP/ 200":
            raise RuntimeError(answer[:100])


@dataclass(frozen=True)
class Asked:
    """A request for one certificate, and the files and address by which it is asked for."""

    folder: Path
    name: str
    der: bytes

    @property
    def url(self) -> str:
        """The address of a GET."""
        return f"http://127.0.0.1:{DOOR}/ocsp/{quote(base64.b64encode(self.der), safe='')}"

    def script(self, text: str) -> Path:
        """Write a script of wrk for it."""
        file, script = self.folder / f"{self.name}.der", self.folder / f"{self.name}.lua"
        file.write_bytes(self.der)
        script.write_text(text.format(file=file), encoding="utf-8")
        return script

    def answer(self) -> bytes:
        """Ask once."""
        with urlopen(Request(self.url), timeout=10) as response:  # noqa: S310 (loopback)
            content: bytes = response.read()
            return content


def cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def private_mb(pid: int) -> float:
    """Return a process's private memory."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


@contextmanager
def running(command: Sequence[str], is_ready: Callable[[], object], environment: dict[str, str] | None = None) -> Iterator[int]:
    """Run a program until the block ends; `is_ready` raises OSError as long as it is not."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                is_ready()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def fetched(port: int, path: str) -> Callable[[], object]:
    """Return what asks for a page."""
    return lambda: urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()


def environment(home: Path) -> dict[str, str]:
    """Return the settings of a home whose doors have ports of their own."""
    others = enumerate(("PORTAL", "RETRIEVAL", "CENTER", "TERMINALS"))
    binds = {f"TEGATA_{door}__BIND": f"127.0.0.1:{19_090 + number}" for number, door in others}
    return dict(os.environ) | binds | {"TEGATA_HOME": str(home), "TEGATA_STATUS__BIND": f"127.0.0.1:{DOOR}"}


def asked_of(database: Database, folder: Path) -> dict[str, Asked]:
    """Return requests for a good and a revoked certificate, and one with a nonce of 16 octets."""
    with database.snapshot() as session:
        issuer = next(one for one in issuers.load_all(session) if one.name.startswith("issuing"))
    good, revoked = (_service(database, issuer.name, name) for name in ("tls-portal", "tls-center"))
    with database.transaction() as session:
        serial = f"{revoked.serial_number:x}"
        revocation.revoke(session, issuer.name, serial, reason=Reason.SUPERSEDED, now=SystemClock().now())
    builder = ocsp.OCSPRequestBuilder()

    def encoded(certificate: x509.Certificate, nonce: bytes | None = None) -> bytes:
        request = builder.add_certificate(certificate, issuer.certificate, SHA1())  # noqa: S303 (RFC 5019 §2.1.1)
        if nonce is not None:
            request = request.add_extension(x509.OCSPNonce(nonce), critical=False)
        return request.build().public_bytes(Encoding.DER)

    return {
        "good": Asked(folder, "good", encoded(good)),
        "revoked": Asked(folder, "revoked", encoded(revoked)),
        "nonce": Asked(folder, "nonce", encoded(good, secrets.token_bytes(16))),
    }


def _service(database: Database, issuer: str, subject: str) -> x509.Certificate:
    with database.snapshot() as session:
        record = next(record for record in of_subject(session, subject) if record.issuer == issuer)
    return x509.load_der_x509_certificate(record.der or b"")


def _openssl(folder: Path, database: Database) -> list[str]:
    """Return the command of OpenSSL's responder, which knows one good certificate, with a key of its own."""
    with database.snapshot() as session:
        issuer = next(one for one in issuers.load_all(session) if one.name.startswith("issuing"))
    good = _service(database, issuer.name, "tls-portal")
    (folder / "issuer.pem").write_text(issuer.pem, encoding="ascii")
    (folder / "index").write_text(f"V\t351231000000Z\t\t{good.serial_number:X}\tunknown\t/CN=x\n", encoding="ascii")
    key, own = str(folder / "responder.key"), str(folder / "responder.pem")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=r"]
    subprocess.run([*new, "-keyout", key, "-out", own], check=True, capture_output=True)
    files = ["-index", str(folder / "index"), "-CA", str(folder / "issuer.pem"), "-rsigner", own, "-rkey", key]
    return ["openssl", "ocsp", "-port", str(OPENSSL), *files]


def _signatures(seconds: int) -> float:
    """Return OpenSSL's raw P-256 signatures per core-second."""
    command = ["openssl", "speed", "-seconds", str(seconds), "ecdsap256"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(told.split()[-2])


def run(folder: Path, times: int, seconds: int) -> dict[str, object]:
    """Measure in a folder and return what was seen."""
    home = folder / "home"
    chosen = environment(home)
    subprocess.run([sys.executable, "-m", "server", "init"], cwd=ROOT, env=chosen, check=True, capture_output=True)
    database = connect(f"sqlite:///{home / 'tegata.db'}")
    asked = asked_of(database, folder)
    with ExitStack() as stack:
        door = stack.enter_context(
            running([sys.executable, "-m", "server", "serve", "status"], fetched(DOOR, "/healthz"), chosen)
        )
        workers = [door, *children(door)]
        begin_mb = private_mb(workers[-1])
        answer = folder / "file"
        answer.write_bytes(asked["good"].answer())
        cases = [*_ours(asked, workers), *_files(stack, folder, answer), *_cfssl(stack, asked["good"], answer)]
        cases.append(ConnectionEach("POST with nonce, a connection each", "", workers, der=asked["nonce"].der, port=DOOR))
        peer = ConnectionEach("openssl ocsp, nonce, a connection each", "", [], der=asked["nonce"].der)
        peer.pids = [stack.enter_context(running(_openssl(folder, database), peer.once))]
        cases.append(peer)
        signatures = []
        for _ in range(times):
            for case in cases:
                case.ask(seconds)
            signatures.append(_signatures(1))
        facts = _facts(cases, statistics.median(signatures))
        return facts | {
            "private_mb_at_first": round(begin_mb, 1),
            "private_mb": round(private_mb(workers[-1]), 1),
            "private_mb_of_others": {case.what: round(sum(map(private_mb, case.pids)), 1) for case in cases if _is_peer(case)},
        }


def _is_peer(case: Case) -> bool:
    return case.what.startswith(("cfssl", "openssl"))


def _ours(asked: Mapping[str, Asked], workers: Sequence[int]) -> list[Case]:
    """Return what the door is asked over kept-alive connections."""
    url = f"http://127.0.0.1:{DOOR}/ocsp"
    return [
        Case("GET good, cached", asked["good"].url, workers),
        Case("POST good, cached", url, workers, asked["good"].script(POST)),
        Case("GET revoked, cached", asked["revoked"].url, workers),
        Case("POST with nonce, signed live", url, workers, asked["nonce"].script(NONCE)),
    ]


def _files(stack: ExitStack, folder: Path, file: Path) -> Iterator[Case]:
    """Yield nginx with the answer as a file, opened for each request and kept open."""
    for number, (what, options) in enumerate((("nginx, file", ""), ("nginx, file kept open", "open_file_cache max=100;"))):
        port = NGINX + 10 + number
        nginx = stack.enter_context(_nginx(folder / f"nginx-{number}", port, options, file))
        yield Case(what, f"http://127.0.0.1:{port}/file", [nginx, *children(nginx)])


def _cfssl(stack: ExitStack, asked: Asked, answer: Path) -> Iterator[Case]:
    """Yield `cfssl ocspserve` with our own answer in its memory, when the program is there; GET it refuses (1.2.0)."""
    if shutil.which("cfssl") is None:
        return
    responses = answer.with_name("responses")
    responses.write_bytes(base64.b64encode(answer.read_bytes()))
    command = ["cfssl", "ocspserve", "-port", str(CFSSL), "-responses", str(responses), "-loglevel", "4"]
    pid = stack.enter_context(running(command, lambda: socket.create_connection(("127.0.0.1", CFSSL)).close()))
    url = f"http://127.0.0.1:{CFSSL}/"
    with urlopen(Request(url, asked.der), timeout=10) as response:
        if response.read() != answer.read_bytes():
            raise RuntimeError("cfssl answers something else")
    yield Case("cfssl ocspserve, POST", url, [pid], asked.script(POST))


@contextmanager
def _nginx(folder: Path, port: int, options: str, file: Path) -> Iterator[int]:
    folder.mkdir()
    folder.chmod(0o755)
    shutil.copy(file, folder / "file")
    conf = folder / "nginx.conf"
    conf.write_text(f"user root;{NGINX_CONF.format(folder=folder, options=options, port=port)}", encoding="ascii")
    with running(["nginx", "-c", str(conf)], fetched(port, "/file")) as pid:
        yield pid


def _facts(cases: Sequence[Case], signatures: float) -> dict[str, object]:
    rates = {case.what: round(case.rate) for case in cases}
    ours = {what: rate for what, rate in rates.items() if what.endswith("cached")}
    live = rates["POST with nonce, signed live"]
    cfssl = rates.get("cfssl ocspserve, POST")
    return {
        "unit": "requests per core-second of all processes that answered",
        "rates": rates,
        "signatures_per_core_second": round(signatures),
        "of_nginx_file": {what: round(rate / rates["nginx, file"], 2) for what, rate in ours.items()},
        "of_nginx_file_kept_open": {what: round(rate / rates["nginx, file kept open"], 2) for what, rate in ours.items()},
        "of_cfssl": {what: round(rate / cfssl, 1) for what, rate in ours.items()} if cfssl else "not there",
        "live_of_openssl_ocsp": round(
            rates["POST with nonce, a connection each"] / rates["openssl ocsp, nonce, a connection each"], 2
        ),
        "live_of_signatures": round(live / signatures, 2),
        "runs": {case.what: [round(rate) for rate in case.rates] for case in cases},
    }


def main() -> None:
    """Measure and write bench/results/ocsp.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-ocsp-") as folder:
        facts = run(Path(folder), chosen.times, chosen.seconds)
    measure.write("ocsp", facts)


if __name__ == "__main__":
    main()
