import subprocess
from pathlib import Path

import pytest

from tests.server.test_commands import tegata

pytestmark = pytest.mark.slow
MORE = "  - { name: mail, kind: mail, under: issuing-1, common_name: Center, algorithm: p256, years: 1, mail: a@example.jp }\n"


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
    assert "certificate: mail" in text
    assert (home / "keys" / "mail.key").exists()


def test_a_bad_file_is_told_line_by_line_and_does_nothing(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    written = (home / "ceremony.yaml").read_text(encoding="utf-8")
    file.write_text(written.replace("algorithm: p384", "algorithm: p256").replace("years: 10", "years: 9"), encoding="utf-8")
    refused = tegata(home, "ceremony", str(file))
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 2
    assert all(line.startswith(f"tegata: {file}:") for line in refused.stderr.splitlines())


def test_a_first_file_must_have_what_the_doors_need(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "small.yaml"
    lines = (home / "ceremony.yaml").read_text(encoding="utf-8")
    file.write_text(lines.partition("  - name: timestamp")[0], encoding="utf-8")
    refused = tegata(tmp_path / "new", "ceremony", str(file))
    assert "timestamp, tls-center, tls-portal, tls-retrieval, tls-terminals" in refused.stderr
    assert not (tmp_path / "new" / "keys" / "root.key").exists()
