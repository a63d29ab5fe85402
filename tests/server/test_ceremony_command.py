import subprocess
from pathlib import Path

import pytest

from tests.server.test_commands import tegata

pytestmark = pytest.mark.slow
MORE = "  - { name: mail-2, kind: mail, under: issuing-1, common_name: Center, algorithm: p256, years: 1, mail: a@example.jp }\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home for real work."""
    path = tmp_path_factory.mktemp("home") / "home"
    made = tegata(path, "init")
    assert made.returncode == 0, made.stderr
    return path


def _transcripts(home: Path) -> list[Path]:
    return sorted((home / "ceremonies").glob("*.txt"))


def test_init_is_a_ceremony_by_a_file_and_leaves_a_transcript_that_openssl_verifies(home: Path) -> None:
    again = tegata(home, "ceremony", str(home / "ceremony.yaml"))
    assert (again.returncode, again.stdout) == (0, "Everything stood already; nothing was changed.\n"), again.stderr
    (transcript,) = _transcripts(home)
    text = transcript.read_text(encoding="utf-8")
    assert text.startswith("tegata ceremony transcript v1\n")
    assert text.endswith((home / "ceremony.yaml").read_text(encoding="utf-8"))
    assert "authority: root" in text
    assert "certificate: tls-portal" in text
    assert "-----BEGIN CERTIFICATE-----" in text
    assert "PRIVATE" not in text
    verify = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(home / "ceremonies" / "transcripts.pub")]
    subprocess.run([*verify, "-in", str(transcript), "-sigfile", f"{transcript}.sig"], check=True, capture_output=True)
    assert tegata(home, "ceremony", "--verify", str(transcript)).returncode == 0
    forged = transcript.with_name("forged.txt")
    forged.write_text(text.replace("operator: ", "operator: not "), encoding="utf-8")
    forged.with_name("forged.txt.sig").write_bytes(transcript.with_name(f"{transcript.name}.sig").read_bytes())
    assert "is not what was signed" in tegata(home, "ceremony", "--verify", str(forged)).stderr
    forged.unlink()


def test_a_file_with_more_adds_it_under_the_operators_name(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text((home / "ceremony.yaml").read_text(encoding="utf-8") + MORE, encoding="utf-8")
    before = set(_transcripts(home))
    held = tegata(home, "ceremony", str(file), "--operator", "Ito Hanako")
    assert held.returncode == 0, held.stderr
    (new,) = set(_transcripts(home)) - before
    text = new.read_text(encoding="utf-8")
    assert "operator: Ito Hanako (user " in text
    assert "certificate: mail-2" in text
    assert (home / "keys" / "mail-2.key").exists()


def test_a_bad_file_is_told_line_by_line_and_does_nothing(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    written = (home / "ceremony.yaml").read_text(encoding="utf-8")
    file.write_text(written.replace("algorithm: p384", "algorithm: p256").replace("years: 10", "years: 9"), encoding="utf-8")
    refused = tegata(home, "ceremony", str(file))
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 2
    assert all(line.startswith(f"tegata: {file}:") for line in refused.stderr.splitlines())


def test_a_certificate_that_would_not_be_as_it_must_be_is_not_signed_and_its_cause_is_told(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    odd = MORE.replace("mail-2", "mail-3").replace("a@example.jp", "a..b@example.jp")
    file.write_text((home / "ceremony.yaml").read_text(encoding="utf-8") + odd, encoding="utf-8")
    refused = tegata(home, "ceremony", str(file))
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(
        "tegata: the certificate of mail-3 was not signed, for it would not be as it must be: pkix.invalid_email"
    )
    assert '"certificate.lint"' in tegata(home, "audit", "export").stdout
    file.write_text(file.read_text(encoding="utf-8").replace("a..b@", "a.b@"), encoding="utf-8")
    assert tegata(home, "ceremony", str(file)).returncode == 0


def test_an_issuing_ca_that_the_terminals_profile_does_not_let_sign_is_refused(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "pilot.yaml"
    written = (home / "ceremony.yaml").read_text(encoding="utf-8")
    second = "  - { name: pilot, under: root, common_name: Pilot, algorithm: mldsa65, years: 3 }\n\n# Kinds"
    responder = "  - { name: ocsp-pilot, kind: ocsp, under: pilot, common_name: Pilot OCSP, algorithm: p256, years: 1 }\n"
    file.write_text(written.replace("\n# Kinds", second) + responder, encoding="utf-8")
    refused = tegata(home, "ceremony", str(file))
    assert "pilot: the terminals' profile does not let mldsa65 sign" in refused.stderr
    assert not (home / "keys" / "pilot.key").exists()


def test_a_first_file_must_have_what_the_doors_need(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "small.yaml"
    lines = (home / "ceremony.yaml").read_text(encoding="utf-8")
    file.write_text(lines.partition("  - name: timestamp")[0], encoding="utf-8")
    refused = tegata(tmp_path / "new", "ceremony", str(file))
    assert "timestamp, tls-center, tls-portal, tls-retrieval, tls-terminals" in refused.stderr
    assert not (tmp_path / "new" / "keys" / "root.key").exists()


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    """Make a file with a passphrase."""
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text("sixteen or more characters\n", encoding="utf-8")
    return file


def test_the_roots_key_is_kept_away_and_brought_back(home: Path, tmp_path: Path, passphrase: Path) -> None:
    out, other = tmp_path / "root-away.key", tmp_path / "other.key"
    openssl = ["openssl", "pkey", "-in", str(out), "-passin", f"file:{passphrase}", "-noout"]
    with_passphrase = ("--passphrase-file", str(passphrase))
    assert tegata(home, "root", "export", str(out), *with_passphrase).returncode == 0
    subprocess.run(openssl, check=True, capture_output=True)
    assert "exists already" in tegata(home, "root", "export", str(out), *with_passphrase).stderr
    other.write_bytes((home / "keys" / "issuing-1.key").read_bytes())
    assert "can not be opened" in tegata(home, "root", "remove", str(other), *with_passphrase, "--yes").stderr
    assert tegata(home, "root", "remove", str(out), *with_passphrase).returncode != 0  # nobody said yes
    assert (home / "keys" / "root.key").exists()
    assert tegata(home, "root", "remove", str(out), *with_passphrase, "--yes").returncode == 0
    assert not (home / "keys" / "root.key").exists()
    for command in (
        ["init"],
        ["ceremony", str(home / "ceremony.yaml")],
        ["crl", "publish"],
        ["jobs", "run", "crl"],
        ["jobs", "run", "renewal"],
    ):
        done = tegata(home, *command)
        assert done.returncode == 0, done.stderr
    assert "is not in this home" in tegata(home, "root", "remove", str(out), *with_passphrase, "--yes").stderr
    more = tmp_path / "more.yaml"
    written = (home / "ceremony.yaml").read_text(encoding="utf-8")
    second = "  - { name: issuing-9, under: root, common_name: Nine, algorithm: p256, years: 3 }\n\n# Kinds"
    third = "  - { name: ocsp-9, kind: ocsp, under: issuing-9, common_name: Nine OCSP, algorithm: p256, years: 1 }\n"
    more.write_text(written.replace("\n# Kinds", second) + third, encoding="utf-8")
    refused = tegata(home, "ceremony", str(more))
    assert "root must sign, and its key is not here; `tegata root import`" in refused.stderr
    brought = tegata(home, "root", "import", str(out), *with_passphrase)
    assert brought.returncode == 0, brought.stderr
    held = tegata(home, "ceremony", str(more))
    assert held.returncode == 0, held.stderr
    assert "issuing-9.crl" in tegata(home, "crl", "publish").stdout
    assert tegata(home, "audit", "verify").returncode == 0


def test_a_passphrase_that_others_can_read_or_guess_is_refused(home: Path, tmp_path: Path, passphrase: Path) -> None:
    passphrase.chmod(0o644)
    export = ("root", "export", str(tmp_path / "out.key"), "--passphrase-file", str(passphrase))
    assert "chmod 600" in tegata(home, *export).stderr
    passphrase.chmod(0o600)
    passphrase.write_text("short\n", encoding="utf-8")
    assert "at least 16" in tegata(home, *export).stderr
    passphrase.write_text("sixteen or more characters\n", encoding="utf-8")
    assert "is no root" in tegata(home, *export, "--name", "issuing-1").stderr


def test_a_transcript_that_was_not_signed_is_written_again(home: Path) -> None:
    before = {file: file.with_name(f"{file.name}.sig").exists() for file in _transcripts(home)}
    assert all(before.values())
    by_init = next(file for file in before if "file: ceremony.yaml" in file.read_text(encoding="utf-8"))
    by_init.with_name(f"{by_init.name}.sig").unlink()
    again = tegata(home, "ceremony", str(home / "ceremony.yaml"))
    assert again.stdout == f"Everything stood already; nothing was changed.\nThe transcript stands in {by_init}\n", again.stderr
    assert tegata(home, "ceremony", "--verify", str(by_init)).returncode == 0


def test_a_new_root_is_trusted_beside_the_old_one_and_linked_with_it(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "two-roots.yaml"
    written = (home / "ceremony.yaml").read_text(encoding="utf-8")
    second = "  - { name: root-2, common_name: Second Root, algorithm: p384, years: 25, replaces: root }\n\n# Kinds"
    file.write_text(written.replace("\n# Kinds", second), encoding="utf-8")
    held = tegata(home, "ceremony", str(file))
    assert held.returncode == 0, held.stderr
    folder = home / "ca"
    assert (folder / "root.pem").read_text(encoding="ascii").count("BEGIN") == 2
    roots = (folder / "root.pem").read_text(encoding="ascii").partition("-----BEGIN CERTIFICATE-----\n")[2].split("-----BEGIN")
    new = tmp_path / "root-2.pem"
    new.write_text("-----BEGIN" + roots[1], encoding="ascii")
    between = tmp_path / "between.pem"
    between.write_bytes((folder / "issuing-1.pem").read_bytes() + (folder / "root-by-root-2.pem").read_bytes())
    leaf = home / "tls" / "portal.pem"
    command = ["openssl", "verify", "-x509_strict", "-CAfile", str(new), "-untrusted", str(between), str(leaf)]
    subprocess.run(command, check=True, capture_output=True)
    assert (folder / "root-2-by-root.pem").exists()
