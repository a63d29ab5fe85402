"""testssl.sh looks at every TLS door as it is served, and at nginx before one of them: nothing above LOW.

It waits more than it works, so all doors are looked at at once.
"""

import json
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from server.home import Home, secret_file
from tests.support.demo import Demo, found_demo
from tests.support.nginx import Nginx, Site
from tests.support.ports import free_port
from tests.support.required import missing

# Protocols, ciphers, certificate, chain; and forward secrecy and preferences, which all doors have from the same place.
LOOKS = ("--protocols", "--std", "--server-defaults")
THOROUGH = ("--fs", "--server-preference")
# The attacks on what serves TLS, one library before all doors and another in nginx. Those on ciphers are ruled out by the above.
ATTACKS = {
    "heartbleed": "--heartbleed",
    "CCS": "--ccs-injection",
    "ticketbleed": "--ticketbleed",
    "ROBOT": "--robot",
    "secure_renego": "--renegotiation",
    "CRIME_TLS": "--compression",
    "fallback_SCSV": "--tls-fallback",
}
# What it says of itself, and of the machine it runs on.
OF_ITS_OWN = {"engine_problem", "scanTime", "old_fixed"}
HARMLESS = {"OK", "INFO", "LOW", "DEBUG"}
# testssl leaves the line before an answer has come when the machine is slow, and takes its own empty file for our fault.
NOT_LOOKED = "check failed because of connect problem"
LOOKED = {"TLS1_1", "TLS1_3", "cert_chain_of_trust"}
LOOKS_AGAIN = 5
PATIENCE = 600  # seconds; alone it needs 60
DOORS = ("portal", "retrieval", "center", "terminals")
PROXIED = "nginx before terminals"
EVERYTHING = ("retrieval", PROXIED)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * PATIENCE)]
Findings = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Looked:
    """What testssl found, by the name of what it looked at."""

    found: dict[str, Findings]


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    """Return what was found at all doors of a served demo, and at nginx as deploy/nginx has it."""
    for program in ("testssl", "nginx"):
        if not shutil.which(program):
            missing(program)
    demo = found_demo(tmp_path_factory.mktemp("demo"))
    folder = tmp_path_factory.mktemp("nginx")
    ports = {door: int(demo.environment[f"TEGATA_{door.upper()}__BIND"].rpartition(":")[2]) for door in DOORS}
    ports[PROXIED] = free_port()
    with ExitStack() as stack:
        stack.enter_context(demo.served())
        stack.enter_context(_proxy(demo, folder, ports).running())
        with ThreadPoolExecutor(len(ports)) as lookers:
            yield Looked(dict(lookers.map(lambda one: (one[0], _looked(demo.root, folder, *one)), ports.items())))


@pytest.mark.parametrize("door", [*DOORS, PROXIED])
def test_testssl_finds_nothing_above_low(looked: Looked, door: str) -> None:
    findings = looked.found[door]
    # It must have looked, and seen what is there.
    assert findings["TLS1_3"][1].startswith("offered"), findings
    assert findings["TLS1_1"][1] == "not offered"
    assert findings["cert_chain_of_trust"][0] == "OK"
    above = {name: said for name, said in findings.items() if said[0] not in HARMLESS and name not in OF_ITS_OWN}
    assert above == {}


@pytest.mark.parametrize("door", EVERYTHING)
def test_testssl_finds_no_attack_that_has_a_name(looked: Looked, door: str) -> None:
    findings = looked.found[door]
    assert {name: findings[name][0] for name in ATTACKS} == dict.fromkeys(ATTACKS, "OK")


def _looked(root: Path, folder: Path, name: str, port: int) -> Findings:
    """Look, and look again where the door was not seen: what one look missed another one sees."""
    _await_answer(root, port)
    looks = (*LOOKS, *THOROUGH, *ATTACKS.values()) if name in EVERYTHING else LOOKS
    findings: Findings = {}
    for again in range(LOOKS_AGAIN):
        seen = {what: said for what, said in findings.items() if said[1] != NOT_LOOKED}
        findings = _found(root, folder / f"{port}-{again}.json", port, looks) | seen
        if findings.keys() >= LOOKED and all(said != NOT_LOOKED for _severity, said in findings.values()):
            break
    return findings


def _await_answer(root: Path, port: int) -> None:
    """Wait until a door answers: its socket is open before its worker takes requests."""
    context, deadline = ssl.create_default_context(cafile=str(root)), time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"https://localhost:{port}/healthz", timeout=60, context=context).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _found(root: Path, file: Path, port: int, looks: tuple[str, ...]) -> Findings:
    options = ("--quiet", "--color", "0", "--warnings", "off", "--ip", "one", "--add-ca", root)
    command = [str(part) for part in ("testssl", *options, *looks, "--jsonfile", file, f"localhost:{port}")]
    subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL)
    return {one["id"]: (one["severity"], one["finding"]) for one in json.loads(file.read_text(encoding="utf-8"))}


def _proxy(demo: Demo, folder: Path, ports: dict[str, int]) -> Nginx:
    """Return an nginx of deploy/nginx's reverse proxy, whose terminals' server is reached."""
    home = Home(demo.home)
    key = load_pem_private_key(
        (home.keys / "tls-terminals.key").read_bytes(), secret_file(home.secrets, "keys_passphrase").encode()
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.key").write_bytes(plain)
    for name, file in {
        "server.pem": home.tls / "terminals.pem",
        "clients.pem": home.tls / "clients.pem",
        "root.pem": demo.root,
    }.items():
        (folder / name).write_bytes(file.read_bytes())
    doors = {f"127.0.0.1:{number}": f"127.0.0.1:{ports[door]}" for number, door in zip(range(8443, 8447), DOORS, strict=True)}
    replaced = {
        **doors,
        "/var/cache/nginx/tegata": f"{folder}/cache",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl;\n    server_name terminals": f"listen 127.0.0.1:{ports[PROXIED]} ssl;\n    server_name terminals",
        "listen 443": f"listen 127.0.0.1:{free_port()}",
    }
    nginx = Nginx(folder)
    nginx.configure([Site("reverse-proxy.conf", "proxy.nginx", replaced)], {"/etc/nginx/tegata": str(folder)})
    return nginx
