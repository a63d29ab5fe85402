"""`tegata root`, `tegata check expiry` and the job that watches: with the root's key in the home, in a file, in a token."""

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ca.crl import latest
from kernel import outbox
from kernel.clock import SystemClock
from kernel.database import Database
from kernel.errors import Unavailable
from server import settings as server_settings
from server.expiries import watching
from server.issuing import authority_of
from server.trouble import Trouble
from server.wiring import clock_of, database_of
from tests.server.test_commands import tegata
from tests.support.clock import SettableClock
from tests.support.softhsm import CONFIGURATION, PIN, SoftToken, soft_token

pytestmark = pytest.mark.slow
MAIL = "  - { name: post, kind: mail, under: issuing-1, common_name: Center, algorithm: p256, years: 1, mail: a@example.jp }\n"
SECOND = "  - { name: issuing-9, under: root, common_name: Nine, algorithm: p256, years: 3 }\n\n# Kinds"
NEW_ROOT = "\n  - { name: root-2, common_name: New Root, algorithm: p384, years: 25, replaces: root }"
ITS_RESPONDER = "  - { name: ocsp-9, kind: ocsp, under: issuing-9, common_name: Nine OCSP, algorithm: p256, years: 1 }\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home for real work."""
    path = tmp_path_factory.mktemp("home") / "home"
    made = tegata(path, "init")
    assert made.returncode == 0, made.stderr
    return path


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    """Return the home's database."""
    connected = database_of(server_settings.load(home))
    yield connected
    connected.dispose()


@pytest.fixture
def away(home: Path, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """Take the root's key out of the home; return the words that name the exported one."""
    passphrase, file = tmp_path / "passphrase", tmp_path / "away.key"
    passphrase.touch(mode=0o600)
    passphrase.write_text("sixteen or more characters\n", encoding="utf-8")
    exported = (str(file), "--passphrase-file", str(passphrase))
    for words in (("root", "export", *exported), ("root", "remove", *exported, "--yes")):
        told = tegata(home, *words)
        assert told.returncode == 0, told.stderr
    yield exported
    assert tegata(home, "root", "import", *exported).returncode == 0


def _number(database: Database) -> int:
    with database.snapshot() as session:
        newest = latest(session, "root")
    assert newest is not None
    return newest.number


def _is_by_root(home: Path) -> bool:
    """Let OpenSSL judge the root's list as it is published."""
    published = ["openssl", "crl", "-inform", "DER", "-in", str(home / "published" / "root.crl"), "-noout"]
    judged = subprocess.run([*published, "-CAfile", str(home / "ca" / "root.pem")], capture_output=True, text=True, check=False)
    return "verify OK" in judged.stderr + judged.stdout


def test_one_command_makes_the_roots_next_list(home: Path, database: Database) -> None:
    before = _number(database)
    told = tegata(home, "root", "crl")
    assert told.returncode == 0, told.stderr
    assert _number(database) > before
    assert _is_by_root(home)


def test_with_the_key_away_it_is_signed_by_the_exported_one_that_stays_out(
    home: Path, database: Database, away: tuple[str, ...]
) -> None:
    refused = tegata(home, "root", "crl")
    assert refused.returncode == 1
    assert "is not in this home: name its exported file, `tegata root crl FILE --passphrase-file …`" in refused.stderr
    before = _number(database)
    told = tegata(home, "root", "crl", *away)
    assert told.returncode == 0, told.stderr
    assert _number(database) > before
    assert _is_by_root(home)
    assert not (home / "keys" / "root.key").exists()
    assert tegata(home, "root", "crl", away[0]).returncode == 2
    [root] = json.loads(tegata(home, "root", "status", "--json").stdout)
    assert (root["name"], root["key"], root["to_do"]) == ("root", "kept away from this home", [])
    assert root["crl_number"] == _number(database)
    assert "root.crl" in tegata(home, "audit", "export").stdout


def test_status_and_check_tell_that_nothing_is_to_be_done(home: Path) -> None:
    told = tegata(home, "root", "status").stdout
    assert told.startswith("root: ends ")
    assert "; its key is in this home\n" in told
    checked = tegata(home, "check", "expiry")
    assert (checked.returncode, checked.stdout) == (0, "Nothing comes to its end that does not renew itself.\n")


def test_what_ends_is_mailed_to_security_again_each_month_and_fails_the_job_when_urgent(
    database: Database, clock: SettableClock
) -> None:
    clock.instant = SystemClock().now()
    watch = watching(database, clock)
    assert watch(clock.now()) == 0
    assert watch(clock.advance(timedelta(days=190))) == 1
    assert watch(clock.advance(timedelta(hours=1))) == 0
    assert watch(clock.advance(timedelta(days=30))) == 1
    [first, _] = _mails(database)
    assert "失効リスト(root)" in first.body
    assert "`tegata root crl --name root` makes the next one" in first.body
    with pytest.raises(Trouble, match="root: the revocation list ends on "):
        watch(clock.advance(timedelta(days=80)))
    assert "至急" in _mails(database)[-1].subject
    with pytest.raises(Trouble):
        watch(clock.advance(timedelta(days=7)))
    assert len(_mails(database)) == 4


def _mails(database: Database) -> list[outbox.MailView]:
    with database.snapshot() as session:
        found = outbox.search(session, outbox.Wanted(mentioning="root crl"))
    return sorted(found, key=lambda mail: mail.id)


def test_an_issuing_ca_is_revoked_by_its_root_and_issues_no_more(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert tegata(home, "init").returncode == 0
    told = tegata(home, "root", "revoke", "issuing-1", "--reason", "cACompromise", "--yes")
    assert told.returncode == 0, told.stderr
    assert tegata(home, "audit", "export").stdout.count("key.block") == 1
    checked = tegata(home, "check", "expiry")
    assert "URGENT root: the revocation list" in checked.stdout
    assert "a revocation waits for the next one: `tegata root crl" in checked.stdout
    assert tegata(home, "root", "crl").returncode == 0
    assert tegata(home, "check", "expiry").returncode == 0
    again = tegata(home, "root", "revoke", "issuing-1", "--reason", "cACompromise", "--yes")
    assert "root has given no certificate to issuing-1 that is in force" in again.stderr
    assert "no certificate to root that" in tegata(home, "root", "revoke", "root", "--reason", "superseded", "--yes").stderr
    crl = x509.load_der_x509_crl((home / "published" / "root.crl").read_bytes())
    issuing = x509.load_pem_x509_certificate((home / "ca" / "issuing-1.pem").read_bytes())
    entry = crl.get_revoked_certificate_by_serial_number(issuing.serial_number)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.ca_compromise
    chosen = server_settings.load(home)
    database = database_of(chosen)
    clock = clock_of(chosen)
    with pytest.raises(Unavailable, match="no issuing CA is in force"):  # the door opens, and goes on with what it can
        authority_of(chosen, database, clock).at(clock.now())
    database.dispose()


def _with_a_second_root(home: Path, tmp_path: Path) -> None:
    """Make a home whose root is followed by another one, and keep the first one's key away."""
    assert tegata(home, "init").returncode == 0
    file = tmp_path / "second.yaml"
    written = (home / "ceremony.yaml").read_text(encoding="utf-8")
    file.write_text(written.replace("\nservices:", NEW_ROOT + "\nservices:"), encoding="utf-8")
    told = tegata(home, "ceremony", str(file))
    assert told.returncode == 0, told.stderr


def test_a_compromised_root_ends_with_its_link_and_who_must_sign_what_is_told(tmp_path: Path) -> None:
    home, passphrase, exported = tmp_path / "home", tmp_path / "passphrase", tmp_path / "root.key"
    _with_a_second_root(home, tmp_path)
    passphrase.touch(mode=0o600)
    passphrase.write_text("sixteen or more characters\n", encoding="utf-8")
    away = (str(exported), "--passphrase-file", str(passphrase))
    for words in (("root", "export", *away), ("root", "remove", *away, "--yes")):
        assert tegata(home, *words).returncode == 0
    told = tegata(home, "root", "revoke", "root-2-by-root", "--reason", "keyCompromise", "--yes")
    assert told.returncode == 0, told.stderr
    link = x509.load_pem_x509_certificate((home / "ca" / "root-2-by-root.pem").read_bytes())
    assert f"revoked: root-2-by-root, root:{link.serial_number:x}\n" in told.stdout
    assert "root-2 signed that itself: whoever trusts it must be told to take it out\n" in told.stdout
    assert "2 certificates revoked.\n" in told.stdout
    assert "`tegata root crl --name root`. Its key is kept away from this home." in told.stdout
    assert "`tegata root crl --name root-2`. Its key is in this home." in told.stdout
    # What could not be signed is not forgotten.
    assert "a revocation waits for the next one: `tegata root crl --name root`" in tegata(home, "check", "expiry").stdout
    assert tegata(home, "root", "crl", *away).returncode == 0
    assert tegata(home, "root", "crl", "--name", "root-2").returncode == 0
    assert tegata(home, "check", "expiry").returncode == 0
    crl = x509.load_der_x509_crl((home / "published" / "root.crl").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(link.serial_number) is not None
    assert tegata(home, "audit", "export").stdout.count("key.block") == 1
    again = tegata(home, "key", "block", str(home / "ca" / "root-2-by-root.pem"))
    assert again.stdout == "0 keys blocked (1 were before), 0 certificates revoked, 0 retrievals stopped\n"
    refused = tegata(home, "ceremony", str(_below_the_second_root(home, tmp_path)))
    assert "issuing-9: root-2 would have to sign, and its key is blocked: put it under another one" in refused.stderr


def _below_the_second_root(home: Path, tmp_path: Path) -> Path:
    file = tmp_path / "third.yaml"
    written = (home / "ceremony.yaml").read_text(encoding="utf-8")
    below = NEW_ROOT + "\n" + SECOND.removesuffix("\n# Kinds").replace("under: root", "under: root-2")
    file.write_text(written.replace("\nservices:", below + "\nservices:") + ITS_RESPONDER, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def with_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, SoftToken]]:
    """Make a home whose root's key, and nothing else, is in a token."""
    folder = tmp_path_factory.mktemp("with-token")
    secrets = folder / "home" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "token_pin").touch(mode=0o600)
    (secrets / "token_pin").write_text(PIN, encoding="ascii")
    with soft_token(folder) as soft:
        (folder / "home" / "tegata.toml").write_text(f'[keys.each]\nroot = "{soft.uri}"\n', encoding="utf-8")
        made = tegata(folder / "home", "init", **{CONFIGURATION: str(soft.configuration)})
        assert made.returncode == 0, made.stderr
        yield folder / "home", soft


@pytest.fixture
def without_token(with_token: tuple[Path, SoftToken]) -> Iterator[Path]:
    """Take the token out of its slot."""
    home, soft = with_token
    soft.pull()
    yield home
    soft.put_back()


@pytest.fixture
def without_driver(with_token: tuple[Path, SoftToken]) -> Iterator[Path]:
    """Take the slot with its driver out of the machine."""
    home, soft = with_token
    written = (home / "tegata.toml").read_text(encoding="utf-8")
    (home / "tegata.toml").write_text(written.replace(str(soft.module), "/nowhere/module.so"), encoding="utf-8")
    yield home
    (home / "tegata.toml").write_text(written, encoding="utf-8")


def test_without_the_tokens_driver_what_stands_goes_on_too(without_driver: Path) -> None:
    again = tegata(without_driver, "ceremony", str(without_driver / "ceremony.yaml"))
    assert again.stdout == "Everything stood already; nothing was changed.\n", again.stderr
    assert "is away: " in tegata(without_driver, "root", "status").stdout


def test_without_the_roots_token_everything_but_signing_with_the_root_goes_on(without_token: Path, tmp_path: Path) -> None:
    home = without_token
    file = tmp_path / "more.yaml"
    file.write_text((home / "ceremony.yaml").read_text(encoding="utf-8") + MAIL, encoding="utf-8")
    for words in (("ceremony", str(file)), ("crl", "publish"), ("jobs", "run", "renewal"), ("check", "expiry")):
        done = tegata(home, *words)
        assert done.returncode == 0, (words, done.stderr)
    chosen = server_settings.load(home)
    database = database_of(chosen)
    assert authority_of(chosen, database, clock_of(chosen)).at(SystemClock().now()).issuer_name == "issuing-1"
    database.dispose()


def test_what_only_the_root_can_do_says_which_token_is_wanted(without_token: Path, tmp_path: Path) -> None:
    home, file = without_token, tmp_path / "second.yaml"
    written = (home / "ceremony.yaml").read_text(encoding="utf-8")
    file.write_text(written.replace("\n# Kinds", SECOND) + ITS_RESPONDER, encoding="utf-8")
    refused = tegata(home, "ceremony", str(file))
    assert refused.returncode == 1
    assert "issuing-9: root must sign, and its key is not here; token 'tegata-" in refused.stderr
    assert "Put it in for as long as the ceremony takes" in refused.stderr
    assert not (home / "keys" / "issuing-9.key").exists()
    refused = tegata(home, "root", "crl")
    assert "is away: " in refused.stderr
    assert "put it in, say `tegata root crl` again, and take it out afterwards" in refused.stderr
    passphrase = str(home / "secrets" / "keys_passphrase")
    refused = tegata(home, "root", "export", str(tmp_path / "x.key"), "--passphrase-file", passphrase)
    assert "in a token and does not leave it: keep the token away instead" in refused.stderr
    [root] = json.loads(tegata(home, "root", "status", "--json").stdout)
    assert "is away" in root["key"]


def test_when_the_token_is_back_it_signs_again(with_token: tuple[Path, SoftToken], tmp_path: Path) -> None:
    home, _ = with_token
    told = tegata(home, "root", "crl")
    assert told.returncode == 0, told.stderr
    crl = x509.load_der_x509_crl((home / "published" / "root.crl").read_bytes())
    root = x509.load_pem_x509_certificate((home / "ca" / "root.pem").read_bytes())
    assert crl.is_signature_valid(root.public_key())  # type: ignore[arg-type]
    [status] = json.loads(tegata(home, "root", "status", "--json").stdout)
    assert status["key"].startswith("in token 'tegata-")
    file = tmp_path / "second.yaml"
    written = (home / "ceremony.yaml").read_text(encoding="utf-8")
    file.write_text(written.replace("\n# Kinds", SECOND) + ITS_RESPONDER, encoding="utf-8")
    assert tegata(home, "ceremony", str(file)).returncode == 0
