"""The retrieval door over plain HTTP behind a real nginx on the example of deploy/nginx: its lane, and all else."""

import http.client
import json
import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509

from ca.ceremony import service_certificate
from ca.plan import CMP, SCEP
from enrollment.protocols.usual_retrievals import UsualRetrievals
from server.commands.terminal import command
from server.lane import Asked
from server.retrieval_lane import RetrievalLane
from server.wiring import home_of
from tests.conftest import FreshDatabase
from tests.crash.homes import DoorProcess, RealHome, found_home
from tests.enrollment.protocols.page_visits import REST, certificate_of, fill, finish
from tests.server.pki import TrialCa
from tests.support.browser import Chromium
from tests.support.house import new_request
from tests.support.interfaces import RETRIEVALS, Outcome, Reply, World, over_network
from tests.support.nginx import Nginx, Site
from tests.support.ports import free_port

TLS = "listen 443 ssl;\n    "
STRANGER = "203.0.113.9"


@dataclass(frozen=True)
class Proxied:
    """A home whose retrieval door is reached through nginx; `root` is what its clients trust."""

    home: RealHome
    port: int
    root: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://localhost:{self.port}"

    def connection(self) -> http.client.HTTPSConnection:
        """Return a connection to nginx."""
        context = ssl.create_default_context(cafile=str(self.root))
        return http.client.HTTPSConnection("localhost", self.port, context=context, timeout=60)

    def lines(self, *, fewest: int = 0) -> list[dict[str, object]]:
        """Return what the door logged of requests; wait for so many lines, as gunicorn answers first and then logs."""
        end = time.monotonic() + 60
        while True:
            log = (self.home.settings.home / "door.log").read_text(encoding="utf-8")
            told = [json.loads(line) for line in log.splitlines(keepends=True) if line[0] == "{" and line[-1] == "\n"]
            chosen = [line for line in told if line["event"] == "door.request" and line["path"] == "/api/v1/retrievals"]
            if len(chosen) >= fewest:
                return chosen
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture(scope="module")
def proxied(sqlite_databases: FreshDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder, port = tmp_path_factory.mktemp("proxied"), free_port()
    nginx = Nginx(folder / "nginx")
    nginx.folder.mkdir()
    with sqlite_databases() as url:
        home = found_home(folder, url, retrieval="http")
        told = {"TRUSTED_PROXIES": "127.0.0.2", "RETRIEVAL__PUBLIC_URL": f"https://localhost:{port}"}
        door = DoorProcess(home, environment={f"TEGATA_{name}": value for name, value in told.items()})
        root = _configure(nginx, port, home.port)
        door.open()
        try:
            with nginx.running():
                yield Proxied(home, port, root)
        finally:
            door.kill()
            home.house.database.dispose()


def _configure(nginx: Nginx, port: int, door: int) -> Path:
    """Fill in the example for a door at a port, and return the root of nginx's certificate."""
    root = TrialCa(nginx.folder, "root")
    chain, _ = root.issue("server", server=True)
    shutil.copyfile(chain, nginx.folder / "server.pem")
    shutil.copyfile(root.certificate, nginx.folder / "clients.pem")
    replaced = {
        "server 127.0.0.1:8444": f"server 127.0.0.1:{door}",
        "proxy_pass https://tegata_retrieval": "proxy_pass http://tegata_retrieval",
        f"{TLS}server_name retrieval": f"listen 127.0.0.1:{port} ssl; server_name retrieval",
        "listen 443": f"listen 127.0.0.1:{free_port()}",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "/var/cache/nginx/tegata": f"{nginx.folder}/cache",
    }
    nginx.configure([Site("reverse-proxy.conf", "proxy.nginx", replaced)], {"/etc/nginx/tegata": str(nginx.folder)})
    return root.certificate


def test_a_browser_retrieves_by_the_page_and_its_request_is_one_for_the_lane(proxied: Proxied, chromium: Chromium) -> None:
    [(terminal, codes)], before = proxied.home.house.new_codes(), len(proxied.lines())
    with chromium.visit(proxied.root) as visit:
        visit.page.goto(f"{proxied.url}/retrieve")
        visit.page.wait_for_selector("#form:not([hidden])")
        fill(visit.page, asdict(codes))
        with visit.page.expect_request(REST) as asking:
            visit.page.click("#go")
        file = finish(visit.page)
        sent, body = asking.value.all_headers(), asking.value.post_data_buffer or b""
    assert terminal in certificate_of(file).subject.rfc4514_string()
    assert _is_for_the_lane({name: value for name, value in sent.items() if not name.startswith(":")}, body)
    assert proxied.lines(fewest=before + 1)[-1]["status"] == 201


def _is_for_the_lane(fields: dict[str, str], body: bytes) -> bool:
    """Judge what nginx hands on of a client's fields: all but those of its connection, and its own."""
    own = {"host": "localhost", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https", "content-length": str(len(body))}
    handed = {name.lower(): value for name, value in fields.items() if name.lower() != "connection"} | own
    head = "".join(["POST /api/v1/retrievals HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in handed.items()), "\r\n"])
    lane = RetrievalLane(UsualRetrievals(None, json.dumps))  # type: ignore[arg-type]  # it only reads
    return isinstance(lane.next(head.encode() + body), Asked)


def test_the_terminals_client_retrieves_and_finds_its_folder_complete(proxied: Proxied, tmp_path: Path) -> None:
    [(terminal, codes)] = proxied.home.house.new_codes()
    folder, trusted = tmp_path / "pc", tmp_path / "trusted.pem"
    trusted.write_bytes(proxied.root.read_bytes() + home_of(proxied.home.settings).root_bundle.read_bytes())
    door = ("--server", proxied.url, "--ca", str(trusted), "--inputs", "-")
    told = CliRunner().invoke(command, ["retrieve", "--folder", str(folder), *door], input=json.dumps(asdict(codes)))
    assert told.exit_code == 0, told.output
    leaf = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
    assert terminal in leaf.subject.rfc4514_string()


def test_every_way_to_redeem_codes_goes_through_and_the_same_key_gets_the_same(proxied: Proxied) -> None:
    database = proxied.home.house.database
    signers = [x509.load_der_x509_certificate(service_certificate(database, name)) for name in (SCEP, CMP)]
    world = World(over_network(proxied.connection), *signers)
    for retrieve in RETRIEVALS.values():
        [(_, codes)] = proxied.home.house.new_codes()
        request = new_request()
        first, second = (retrieve(world, codes, request, "") for _ in range(2))
        assert first.outcome is second.outcome is Outcome.GIVEN
        assert first.certificate == second.certificate


def test_whose_address_counts_is_what_the_proxy_says_and_nobody_else(proxied: Proxied) -> None:
    """By what is logged, which is what is counted by: nginx overwrites a client's word; a neighbour that is no proxy has none."""
    before = len(proxied.lines())
    directly = partial(proxied.home.connection, 30)
    forged = {"X-Forwarded-For": STRANGER, "X-Real-IP": STRANGER, "Forwarded": f"for={STRANGER}"}
    for connect in (proxied.connection, directly):
        for typed, status in (({}, 201), ({"auth_code_2": "AAAAAA"}, 401)):  # the lane's, then the app's
            [(_, codes)] = proxied.home.house.new_codes()
            body = json.dumps({**asdict(codes), **typed, "csr": new_request().pem.decode()})
            assert _post(connect(), body, forged).status == status
    lines = proxied.lines(fewest=before + 4)[before:]
    assert {line["address"] for line in lines} == {"127.0.0.1"}
    assert [line["status"] for line in lines].count(401) == 2  # no request of another test is refused


def _post(connection: http.client.HTTPConnection, body: str, fields: dict[str, str]) -> Reply:
    with closing(connection):
        connection.request("POST", "/api/v1/retrievals", body, {"Content-Type": "application/json", **fields})
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.headers), answer.read())
