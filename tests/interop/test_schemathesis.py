"""schemathesis judges both doors, as they really run, by their own OpenAPI documents: all checks, all phases."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.revocation import Reason
from enrollment.protocols.retrieval import RetrievalDoor, create_app
from enrollment.reissue_records import ReissueReason
from kernel.clock import DemoClock
from server.wiring import home_of
from tests.conftest import FreshDatabase
from tests.crash.bulk import prepare_many
from tests.crash.homes import DoorProcess, RealHome, found_home
from tests.interop.programs import Runner
from tests.support.house import APPROVER, SECURITY, House, new_request
from tests.support.open_doors import OpenDoors, serving
from tests.support.schema import ROOT

EXAMPLES = os.environ.get("TEGATA_TEST_SCHEMATHESIS_EXAMPLES", "25")
# A request that is well-formed and still no good is 422; a throttle may come at any time.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429"]
"""

# Not only refusals were judged.
GOOD = {
    "retrieval": {"POST /api/v1/retrievals 201", "POST /api/v1/retrievals 401"},
    "terminals": {
        "POST /api/v1/renewals 201",
        "POST /api/v1/renewals 409",
        "POST /api/v1/reissues 202",
        "GET /api/v1/terminals/self 200",
        "GET /api/v1/terminals/self 403",
    },
}


@pytest.fixture
def home(databases: FreshDatabase, tmp_path: Path) -> Iterator[RealHome]:
    """Return a home whose clock can be moved, and whose retrieval door has a lane, which answers some of what its app does."""
    with databases() as url:
        made = found_home(tmp_path, url, retrieval="http")
        home_of(made.settings).demo_file.write_text("{}", encoding="ascii")
        house = replace(made.house, clock=DemoClock(home_of(made.settings).clock_offset))
        yield replace(made, house=house)
        made.house.database.dispose()


@contextmanager
def _open(home: RealHome, door: str) -> Iterator[str]:
    process = DoorProcess(home, door=door)
    process.open()
    try:
        yield home.url(door)
    finally:
        process.kill()


def _judge(folder: Path, url: str, known: dict[str, object], *more: str | Path) -> tuple[int, str]:
    (folder / "known.json").write_text(json.dumps(known), encoding="utf-8")
    (folder / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.enrollment.protocols.schemathesis_hooks",
        "TEGATA_TEST_KNOWN": str(folder / "known.json"),
    }
    options = [
        *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--mode", "all"),
        *(
            "--max-examples",
            EXAMPLES,
            "--seed",
            os.environ.get("TEGATA_TEST_SCHEMATHESIS_SEED", "1"),
            "--continue-on-failure",
            "--suppress-health-check",
            "all",
        ),
    ]
    outcome = Runner()(
        Path(sys.executable).with_name("st"),
        *("--config-file", folder / "schemathesis.toml", "--no-color", "run"),
        f"{url}/api/openapi.json",
        *options,
        *more,
        folder=folder,
        environment=environment,
    )
    return outcome.status, outcome.text


@pytest.fixture
def databases(request: pytest.FixtureRequest, door: str) -> FreshDatabase:
    """Return what makes databases for a door: PostgreSQL, which takes offence at more, for the one that takes more."""
    kind = "sqlite" if door == "retrieval" else "postgresql"
    found: FreshDatabase = request.getfixturevalue(f"{kind}_databases")
    return found


@pytest.mark.parametrize("door", ["retrieval", pytest.param("terminals", marks=pytest.mark.postgresql)])
def test_a_running_door_does_what_its_document_says(home: RealHome, door: str) -> None:
    known = _codes(home.house) if door == "retrieval" else _certificates(home.house, home.settings.home)
    with _open(home, door) as url:
        status, text = _judge(home.settings.home, url, known, "--tls-verify", home_of(home.settings).root_bundle)
    answered = json.loads((home.settings.home / "known.tally").read_text(encoding="utf-8"))
    print(text, answered)  # noqa: T201 (shown when it fails)
    assert status == 0
    assert answered.keys() >= GOOD[door]


@pytest.mark.parametrize(
    ("lie", "found"), [("a status", "ST103 Undocumented status code"), ("a code", '"another"')], ids=["a status", "a code"]
)
def test_a_document_that_lies_is_found_out(doors: OpenDoors, tmp_path: Path, lie: str, found: str) -> None:
    app = create_app(RetrievalDoor(doors.house.redemption))
    document = json.loads(app.extensions["openapi"])
    responses = document["paths"]["/api/v1/retrievals"]["post"]["responses"]
    if lie == "a status":
        del responses["401"]
    else:
        responses["401"]["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"] = ["another"]
    app.extensions["openapi"] = json.dumps(document)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.listen(128)
    with serving(app, listener):
        url = f"http://localhost:{listener.getsockname()[1]}"
        status, text = _judge(tmp_path, url, {"codes": [], "certificates": []}, "--phases", "fuzzing", "--max-examples", "5")
    assert status == 1, text
    assert found in text


def _codes(house: House) -> dict[str, object]:
    return {"codes": [asdict(codes) for _, codes in prepare_many(house, 100)], "certificates": []}


def _certificates(house: House, folder: Path) -> dict[str, object]:
    """Let terminals be in all states, most of them on the last days of their certificates."""
    made = [_certified(house, folder) for _ in range(20)]
    clock = house.clock
    assert isinstance(clock, DemoClock)
    clock.shift(timedelta(days=350))
    names = [name for name, _ in made]
    house.endings.suspend(names[0], SECURITY)
    house.endings.revoke(names[1], Reason.KEY_COMPROMISE, SECURITY)
    house.reissues.request(names[2], ReissueReason.PC_REPLACED, APPROVER)
    made.append(_certified(house, folder))
    return {"codes": [], "certificates": [files for _, files in made]}


def _certified(house: House, folder: Path) -> tuple[str, tuple[str, str]]:
    """Return a terminal and the files of its certificate and key."""
    request = new_request()
    retrieved = house.issue(request=request)
    certificate, key = folder / f"{retrieved.terminal}.pem", folder / f"{retrieved.terminal}.key"
    certificate.write_bytes(x509.load_der_x509_certificate(retrieved.certificate.der or b"").public_bytes(Encoding.PEM))
    key.write_bytes(request.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return retrieved.terminal, (str(certificate), str(key))
