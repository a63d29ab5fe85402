"""A served home with its keys in a SoftHSM token that was away when it was started, and is pulled later."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from enrollment.client.retrieval import PATH
from keys import tokens
from keys.pkcs11 import TokenKeys
from tests.interop.programs import Runner
from tests.support.demo import Demo, found_demo
from tests.support.house import new_request
from tests.support.softhsm import CONFIGURATION, PIN, SoftToken, soft_token

WRAPPING = bytes(range(32))
PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Served:
    """A home that is served, its token, what its doors told while that was away, and codes that were tried meanwhile."""

    demo: Demo
    soft: SoftToken
    away: dict[str, str]
    codes: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a demo home that keeps in a token whatever may be there; its PIN is a secret's file."""
    folder = tmp_path_factory.mktemp("demo")
    secrets = folder / "home" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "token_pin").touch(mode=0o600)
    (secrets / "token_pin").write_text(f"{PIN}\n", encoding="ascii")
    with soft_token(folder) as soft:
        soft.hold_backup_key("backup", WRAPPING)
        settings = {"TEGATA_KEYS__CUSTODY": soft.uri, "TEGATA_KEYS__BACKUP_KEY": "backup"}
        made = found_demo(folder, settings={**settings, CONFIGURATION: str(soft.configuration)})
        codes = json.loads(made.run("demo", "codes", "--terminals", "1", "--json").stdout)
        soft.pull()
        with made.served():
            away = {
                "retrieval": _ready(made, "retrieval"),
                "terminals": _ready(made, "terminals"),
                "status": _ready(made, "status"),
                "portal": _ready(made, "portal"),
                "codes": _ask(made, codes, folder),
                "list": str(_status(f"{made.facts['status']}/crl/issuing-1.crl")),
                "sealed": str(_sealed(made)),
                "job": _failed_to_seal(made),
            }
            soft.put_back()
            yield Served(made, soft, away, codes, folder)


def test_doors_that_start_without_their_token_say_so_and_open(served: Served) -> None:
    assert served.away["retrieval"] == "503 issuing: not ready"
    assert served.away["terminals"] == "503 issuing: not ready"
    assert served.away["status"] == "503 keys: not ready"
    assert served.away["portal"] == "200 database: ready"
    assert served.away["list"] == "200"  # what was signed before is served
    assert served.away["codes"].splitlines()[0].split()[1] == "503", served.away["codes"]
    assert "\nretry-after: " in served.away["codes"].lower()
    assert served.soft.label not in served.away["codes"]


def test_they_recover_by_themselves_when_it_comes_and_nothing_is_burnt(served: Served) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(_ready(served.demo, door).startswith("503") for door in ("retrieval", "terminals", "status")):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    told = _ask(served.demo, served.codes, served.folder)
    assert told.splitlines()[0].split()[1] in {"200", "201"}, told


def test_the_job_that_signs_checkpoints_failed_and_recovers(served: Served) -> None:
    assert "custody of keys" in served.away["job"]
    deadline = time.monotonic() + PATIENCE
    while _sealed(served.demo) <= int(served.away["sealed"]):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    newest = (served.demo.home / "checkpoints" / "newest").read_text(encoding="utf-8")
    assert int(newest.split("\n")[1]) >= _sealed(served.demo)


def test_a_served_home_gives_certificates_by_keys_of_the_token(served: Served) -> None:
    assert {file.name for file in (served.demo.home / "keys").glob("*.key")} == {
        *(f"tls-{door}.key" for door in ("portal", "retrieval", "center", "terminals")),
        "codes.key",
    }
    codes = json.loads(served.demo.run("demo", "codes", "--terminals", "1", "--json").stdout)
    assert _retrieve(served.demo, codes, served.folder / "pc") == 0


def test_while_the_token_is_pulled_the_door_asks_for_patience_and_then_goes_on(served: Served, tmp_path: Path) -> None:
    codes = json.loads(served.demo.run("demo", "codes", "--terminals", "1", "--json").stdout)
    served.soft.pull()
    try:
        told = _ask(served.demo, codes, tmp_path)
        assert told.splitlines()[0].split()[1] == "503", told
        assert "\nretry-after: " in told.lower()
        assert served.soft.label not in told
    finally:
        served.soft.put_back()
    deadline = time.monotonic() + PATIENCE
    while (told := _ask(served.demo, codes, tmp_path)).splitlines()[0].split()[1] == "503":
        assert time.monotonic() < deadline
        time.sleep(tokens.PAUSE)
    assert told.splitlines()[0].split()[1] in {"200", "201"}, told


def test_the_operator_backs_a_key_up_and_brings_it_into_another_token(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "scep.backup"
    assert served.demo.run("key", "backup", "scep", file).stdout.startswith(f"{file} holds the key scep, wrapped by backup")
    assert file.stat().st_mode & 0o077 == 0
    again = served.demo.run("key", "backup", "scep", file, check=False)
    assert (again.returncode, again.stderr) == (1, f"tegata: {file} exists already\n")
    with soft_token(tmp_path) as second:
        second.hold_backup_key("backup", WRAPPING)
        replaced = Demo(
            served.demo.home,
            served.demo.environment | {"TEGATA_KEYS__CUSTODY": second.uri, CONFIGURATION: str(second.configuration)},
        )
        assert replaced.run("key", "restore", "scep", file).stdout == "The key scep is in its token and signs.\n"
        restored = TokenKeys(second.token).open("scep")
        assert isinstance(restored, rsa.RSAPrivateKey)
        encrypted = restored.public_key().encrypt(b"a content key", padding.PKCS1v15())
        assert restored.decrypt(encrypted, padding.PKCS1v15()) == b"a content key"


def test_no_log_of_the_home_tells_the_pin(served: Served) -> None:
    logs = [*(served.demo.home / "logs").glob("*.log"), served.demo.home.parent / "serve.log"]
    assert logs
    assert not [log for log in logs if PIN in log.read_text(encoding="utf-8", errors="replace")]


def _retrieve(demo: Demo, codes: dict[str, str], folder: Path) -> int:
    door = ("--server", demo.facts["retrieval"], "--ca", demo.root, "--out", folder)
    return demo.run("terminal", "retrieve", *door, "--inputs", "-", stdin=json.dumps(codes), check=False).returncode


def _ask(demo: Demo, codes: dict[str, str], folder: Path) -> str:
    """Post codes and the same request again and again with curl; return what came, headers first."""
    body = folder / "body.json"
    if not body.exists():
        names = ("access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code")
        body.write_text(json.dumps({name: codes[name] for name in names} | {"csr": new_request().pem.decode()}))
    url = f"{demo.facts['retrieval']}{PATH}"
    kind = "Content-Type: application/json"
    return Runner()("curl", "-sS", "-i", "--cacert", demo.root, "-H", kind, "--data", f"@{body}", url).text


def _ready(demo: Demo, door: str) -> str:
    """Return a door's status and what it says of what it needs."""
    told = Runner()("curl", "-sS", "-w", "%{http_code}", "--cacert", demo.root, f"{demo.facts[door]}/readyz").text
    *lines, status = told.splitlines()
    return " ".join((status, *lines))


def _status(url: str) -> int:
    try:
        with urlopen(url) as answer:  # noqa: S310 (http, our own door)
            status: int = answer.status
            return status
    except HTTPError as error:
        return error.code


def _failed_to_seal(demo: Demo) -> str:
    """Wait until the job that signs checkpoints found no key, and return what it told."""
    log, deadline = demo.home / "logs" / "jobs.log", time.monotonic() + PATIENCE
    while True:
        for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
            if "job.not-done" in line and "audit-seal" in line:
                return line
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _sealed(demo: Demo) -> int:
    """Return how many entries are signed for in public."""
    url = f"{demo.facts['status']}/checkpoint"
    if _status(url) != 200:
        return 0
    with urlopen(url) as answer:  # noqa: S310 (http, our own door)
        return int(answer.read().decode().split("\n")[1])
