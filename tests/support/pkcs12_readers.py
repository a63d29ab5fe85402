"""Other people's programs that read a PKCS#12 file: OpenSSL, Java's keytool, NSS. Each fails the test when it can not."""

import shutil
import subprocess
from pathlib import Path

from tests.support.required import missing

CHAIN = 2


def openssl(file: Path, passphrase: str, terminal: str) -> str:
    """See the certificates and the key; return what it says of the algorithms."""
    _require("openssl", "openssl")
    said = _run("openssl", "pkcs12", "-in", file, "-passin", f"pass:{passphrase}", "-passout", "pass:another", "-info")
    assert f"CN = {terminal}" in said.stdout
    assert said.stdout.count("BEGIN CERTIFICATE") == CHAIN
    assert said.stdout.count("BEGIN ENCRYPTED PRIVATE KEY") == 1
    return said.stderr


def keytool(file: Path, passphrase: str, terminal: str) -> None:
    """See the entry under the terminal's name, with its chain, and take the key out under another passphrase."""
    _require("keytool", "default-jre-headless")
    store = ("-keystore", file, "-storetype", "PKCS12", "-storepass", passphrase, "-J-Duser.language=en")
    listed = _run("keytool", "-list", "-v", *store).stdout
    assert "PrivateKeyEntry" in listed
    assert f"Certificate chain length: {CHAIN}" in listed
    assert f"Alias name: {terminal.lower()}" in listed
    # Only whoever has opened the key can write it anew; the list alone shows certificates.
    new = file.with_suffix(".java")
    to = ("-destkeystore", new, "-deststoretype", "PKCS12", "-deststorepass", "another secret")
    source = ("-srckeystore", file, "-srcstoretype", "PKCS12", "-srcstorepass", passphrase)
    _run("keytool", "-importkeystore", "-noprompt", *source, *to)
    assert new.stat().st_size > 0


def nss(file: Path, passphrase: str, terminal: str) -> None:
    """Import it as Firefox and Chromium on Linux do, and see the key."""
    _require("pk12util", "libnss3-tools")
    store = file.parent / f"{file.stem}-nss"
    store.mkdir()
    _run("certutil", "-N", "-d", f"sql:{store}", "--empty-password")
    _run("pk12util", "-i", file, "-d", f"sql:{store}", "-W", passphrase, "-K", "")
    assert terminal in _run("certutil", "-K", "-d", f"sql:{store}").stdout


ALL = (openssl, keytool, nss)


def _require(program: str, package: str) -> None:
    if not shutil.which(program):
        missing(f"{program} (Debian's package: {package})")


def _run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (command[0], done.stdout, done.stderr)
    return done
