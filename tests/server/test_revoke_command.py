"""`tegata revoke` and `tegata suspend` as an operator meets them: what they say and do, and their exit status."""

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from ca import certificates
from ca.certificates import CertificateRecord, CertificateState
from ca.tables import CertificateRow
from kernel.audit import AuditEntry
from kernel.clock import SystemClock
from kernel.database import connect
from keys.algorithms import VerifyingKey
from registry import terminals
from registry.states import TerminalState
from server.cli import main
from tests.ca.issuance import on_key
from tests.conftest import FreshDatabase
from tests.support.house import House, build_house

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int
    out: str
    err: str


Tegata = Callable[..., Outcome]


class Terminal(io.StringIO):
    """Standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def database_url(sqlite_databases: FreshDatabase) -> Iterator[str]:
    """Return one database for the whole module: each test brings terminals of its own."""
    with sqlite_databases() as url:
        yield url


@pytest.fixture(scope="module")
def house(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Return a house whose folder is a home."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "ca").mkdir()
    (folder / "ca" / "root.pem").touch()  # what makes a home a finished one
    database = connect(database_url)
    yield build_house(database, folder, SystemClock())
    database.dispose()


@pytest.fixture
def tegata(
    house: House, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Tegata:  # fmt: skip
    """Return what runs the command line in this process."""
    monkeypatch.setenv("TEGATA_HOME", str(house.crl_folder.parent))
    monkeypatch.setenv("TEGATA_DATABASE_URL", database_url)

    def run(*arguments: str, stdin: io.StringIO | None = None) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["tegata", *arguments])
        monkeypatch.setattr(sys, "stdin", stdin or io.StringIO())
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        said = capsys.readouterr()
        return Outcome(status, said.out, said.err)

    return run


def _of(house: House, terminal: str) -> CertificateRecord:
    with house.database.snapshot() as session:
        [certificate] = certificates.of_subject(session, terminal)
    return certificate


def _state(house: House, terminal: str) -> tuple[CertificateState, str | None]:
    certificate = _of(house, terminal)
    return certificate.state, certificate.reason


def _entries(house: House, terminal: str) -> list[AuditEntry]:
    with house.database.snapshot() as session:
        query = select(AuditEntry).where(AuditEntry.subject == f"terminal:{terminal}", AuditEntry.action == "certificate.revoke")
        return list(session.scalars(query))


def test_a_terminals_certificate_is_revoked_on_record(house: House, tegata: Tegata) -> None:
    name = house.issue().terminal
    told = tegata("revoke", name, "--reason", "keyCompromise")
    assert told == Outcome(0, "1 certificates to revoke\n1 certificates revoked, 0 retrievals stopped\n", "")
    assert _state(house, name) == (CertificateState.REVOKED, "keyCompromise")
    [entry] = _entries(house, name)
    assert entry.actor.startswith("operator:cli/")
    assert entry.facts == {"issuer": "issuing-1", "serial": _of(house, name).serial, "reason": "keyCompromise"}


@pytest.mark.parametrize("written", [str.upper, str.lower, lambda serial: f"00{serial}"])
def test_one_certificate_is_revoked_by_issuer_and_serial_number(
    house: House, tegata: Tegata, written: Callable[[str], str]
) -> None:  # fmt: skip
    one, other = house.issue(), house.issue()
    assert tegata("revoke", f"issuing-1:{written(one.certificate.serial)}", "--reason", "superseded").status == 0
    assert _state(house, one.terminal) == (CertificateState.REVOKED, "superseded")
    assert _state(house, other.terminal) == (CertificateState.VALID, None)


def test_a_file_names_many_and_its_comments_nothing(house: House, tegata: Tegata, tmp_path: Path) -> None:
    names = [house.issue().terminal for _ in range(3)]
    (tmp_path / "list").write_text(f"# stolen\n{names[0]}  # a PC\n\n{names[1]}\n{names[0]}\n", encoding="utf-8")
    told = tegata("revoke", names[2], "--from", str(tmp_path / "list"), "--reason", "cessationOfOperation")
    assert told.out.endswith("3 certificates revoked, 0 retrievals stopped\n")
    assert {_state(house, name) for name in names} == {(CertificateState.REVOKED, "cessationOfOperation")}


def test_names_are_read_from_a_pipe(house: House, tegata: Tegata) -> None:
    name = house.issue().terminal
    assert tegata("revoke", "--from", "-", "--reason", "superseded", stdin=io.StringIO(f"{name}\n")).status == 0
    assert _state(house, name)[0] == CertificateState.REVOKED


def test_again_is_without_harm_and_keeps_the_first_reason(house: House, tegata: Tegata) -> None:
    name = house.issue().terminal
    tegata("revoke", name, "--reason", "keyCompromise")
    first = _of(house, name)
    told = tegata("revoke", name, "--reason", "superseded")
    assert told == Outcome(0, "0 certificates to revoke, 1 names of which nothing is left to revoke\n", "")
    assert _of(house, name) == first
    assert len(_entries(house, name)) == 1


def test_a_dry_run_only_tells(house: House, tegata: Tegata) -> None:
    name = house.issue().terminal
    assert tegata("revoke", name, "--reason", "superseded", "--dry-run") == Outcome(0, "1 certificates to revoke\n", "")
    assert _state(house, name)[0] == CertificateState.VALID


def test_since_when_it_was_not_to_be_trusted_is_kept(house: House, tegata: Tegata) -> None:
    name = house.issue().terminal
    since = (datetime.now(UTC) - timedelta(hours=2)).replace(microsecond=0)
    told = tegata("revoke", name, "--reason", "keyCompromise", "--invalid-since", since.isoformat())
    assert told.status == 0
    with house.database.snapshot() as session:
        assert session.scalar(select(CertificateRow.invalid_since).where(CertificateRow.subject == name)) == since


def test_a_date_that_lies_ahead_is_refused(house: House, tegata: Tegata) -> None:
    name = house.issue().terminal
    told = tegata("revoke", name, "--reason", "superseded", "--invalid-since", "2999-01-01T00:00+09:00")
    assert (told.status, told.err.count("\n")) == (1, 1)
    assert told.err.startswith("tegata: refused: invalid-since-future")
    assert _state(house, name)[0] == CertificateState.VALID


@pytest.mark.parametrize("unknown", ["00000A", "issuing-1:abcdef", "root:1", "nonsense", "issuing-1:" + "f" * 41])
def test_a_name_that_names_nothing_ends_all_before_it_begins(house: House, tegata: Tegata, unknown: str) -> None:
    name = house.issue().terminal
    told = tegata("revoke", name, unknown, "--reason", "superseded")
    assert told == Outcome(
        1, "", f"tegata: {unknown} names no terminal and no certificate\ntegata: nothing was done\n"
    )  # fmt: skip
    assert _state(house, name)[0] == CertificateState.VALID


def test_unless_told_to_go_on(house: House, tegata: Tegata) -> None:
    name = house.issue().terminal
    told = tegata("revoke", name, "00000A", "--reason", "superseded", "--ignore-unknown")
    assert (told.status, told.out.splitlines()[0]) == (0, "1 certificates to revoke, 1 names that name nothing")
    assert _state(house, name)[0] == CertificateState.REVOKED


@pytest.mark.parametrize(
    "arguments",
    [
        ("99999W",),
        ("99999W", "--reason", "nonsense"),
        ("99999W", "--reason", "cACompromise"),
        ("99999W", "--reason", "certificateHold"),
        ("99999W", "--reason", "removeFromCRL"),
        ("--reason", "superseded"),
        ("99999W", "--reason", "superseded", "--invalid-since", "yesterday"),
        ("99999W", "--reason", "superseded", "--invalid-since", "2026-11-20T09:00"),
    ],
)
def test_wrong_usage_ends_with_2(tegata: Tegata, arguments: tuple[str, ...]) -> None:
    assert tegata("revoke", *arguments).status == 2


def test_a_file_that_can_not_be_read_is_told(tegata: Tegata, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    for file in ("absent", "latin"):
        told = tegata("revoke", "--from", str(tmp_path / file), "--reason", "superseded")
        assert (told.status, told.err.count("\n")) == (1, 1)
        assert "can not be read" in told.err


@pytest.mark.parametrize(("answer", "status", "state"), [("n\n", 130, "valid"), ("y\n", 0, "revoked")])
def test_who_sits_there_is_asked(house: House, tegata: Tegata, answer: str, status: int, state: str) -> None:
    name = house.issue().terminal
    told = tegata("revoke", name, "--reason", "superseded", stdin=Terminal(answer))
    assert told.status == status
    assert "can not be undone" in told.out + told.err
    assert _state(house, name)[0] == state


def test_progress_is_drawn_where_somebody_looks(house: House, tegata: Tegata, monkeypatch: pytest.MonkeyPatch) -> None:
    name = house.issue().terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert tegata("revoke", name, "--reason", "superseded").err == "\r1 of 1\n"


def _terminal(house: House, name: str) -> TerminalState:
    with house.database.snapshot() as session:
        return terminals.named(session, [name])[name].state


def test_terminals_are_suspended_with_their_certificates_and_go_on_when_it_is_lifted(
    house: House, tegata: Tegata, tmp_path: Path
) -> None:  # fmt: skip
    names = [house.issue().terminal for _ in range(2)]
    (tmp_path / "list").write_text("\n".join(names), encoding="utf-8")
    told = tegata("suspend", "--from", str(tmp_path / "list"))
    assert told == Outcome(0, "2 terminals concerned, 0 are so already or abolished\n2 terminals suspended\n", "")
    assert {_state(house, name) for name in names} == {(CertificateState.HELD, "certificateHold")}
    assert _terminal(house, names[0]) == TerminalState.SUSPENDED
    again = tegata("suspend", *names)
    assert again == Outcome(0, "0 terminals concerned, 2 are so already or abolished\n", "")
    told = tegata("suspend", "--lift", *names)
    assert told.out.endswith("2 suspensions lifted\n")
    assert {_state(house, name) for name in names} == {(CertificateState.VALID, None)}
    assert tegata("suspend", "--lift", *names).out == again.out


def test_a_held_certificate_is_revoked_and_stays_so_when_the_suspension_is_lifted(house: House, tegata: Tegata) -> None:
    name = house.issue().terminal
    tegata("suspend", name)
    assert tegata("revoke", name, "--reason", "keyCompromise").out.endswith("1 certificates revoked, 0 retrievals stopped\n")
    assert tegata("suspend", "--lift", name).status == 0
    assert _state(house, name) == (CertificateState.REVOKED, "keyCompromise")


def test_a_suspension_is_tried_dry_and_needs_names_that_name_something(house: House, tegata: Tegata) -> None:
    name = house.issue().terminal
    assert tegata("suspend", name, "--dry-run").status == 0
    told = tegata("suspend", name, "00000A")
    assert told == Outcome(1, "", "tegata: 00000A names no terminal\ntegata: nothing was done\n")
    assert _state(house, name)[0] == CertificateState.VALID
    assert tegata("suspend", name, "00000A", "--ignore-unknown").status == 0
    assert _state(house, name)[0] == CertificateState.HELD
    assert tegata("suspend").status == 2


def test_what_else_stands_on_a_compromised_key_is_revoked_with_it(house: House, tegata: Tegata) -> None:
    certificate = house.issue().certificate
    key = x509.load_der_x509_certificate(certificate.der or b"").public_key()
    assert isinstance(key, VerifyingKey)
    service = on_key(house, key, "post")
    word = f"{service.issuer}:{service.serial}"
    assert tegata("revoke", word, "--reason", "superseded", "--dry-run").out == "1 certificates to revoke\n"
    told = tegata("revoke", word, "--reason", "keyCompromise")
    assert told == Outcome(0, "2 certificates to revoke\n2 certificates revoked, 0 retrievals stopped\n", "")
    assert _state(house, certificate.subject) == _state(house, "post") == (CertificateState.REVOKED, "keyCompromise")
    with house.database.snapshot() as session:
        query = select(AuditEntry).where(AuditEntry.subject == f"key:{service.spki_sha256.hex()}")
        [entry] = session.scalars(query)
    assert (entry.action, entry.actor.partition("/")[0]) == ("key.block", "operator:cli")
