"""A real PKCS#11 token in a folder of its own: SoftHSM. `with soft_token(folder) as soft:` makes one."""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keys.tokens import Token
from tests.support.required import missing

MODULES = tuple(map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so")))
PIN, OFFICER_PIN = "731946", "528491"
CONFIGURATION = "SOFTHSM2_CONF"
# The security officer's deed needs a log-in of its own, which a process that uses the token can not have beside its own.
OFFICER = """
import sys
import pkcs11
from pkcs11 import Attribute as A
module, token, pin, label, key = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=token).open(so_pin=pin, rw=True) as session:
    session.create_object({
        A.CLASS: pkcs11.ObjectClass.SECRET_KEY, A.KEY_TYPE: pkcs11.KeyType.AES, A.VALUE: bytes.fromhex(key), A.LABEL: label,
        A.TOKEN: True, A.PRIVATE: False, A.SENSITIVE: True, A.EXTRACTABLE: False, A.TRUSTED: True,
        A.WRAP: True, A.UNWRAP: True, A.ENCRYPT: False, A.DECRYPT: False, A.SIGN: False, A.VERIFY: False,
    })
"""
_numbers = itertools.count()


@dataclass(frozen=True)
class SoftToken:
    """A token; `configuration` is what SOFTHSM2_CONF must name for whoever uses it."""

    module: Path
    folder: Path
    label: str

    @property
    def configuration(self) -> Path:
        """SoftHSM's own settings."""
        return self.folder / "softhsm2.conf"

    @property
    def objects(self) -> Path:
        """The folder with everything that is in the token."""
        return self.folder / "tokens"

    @property
    def token(self) -> Token:
        """The token as the product sees it."""
        return self.with_pin(PIN)

    @property
    def uri(self) -> str:
        """The token as settings name it (RFC 7512)."""
        return f"pkcs11:token={self.label}?module-path={self.module}"

    def with_pin(self, pin: str) -> Token:
        """Return the token for somebody who believes that this is its PIN."""
        return Token(self.module, self.label, lambda: pin)

    def pull(self) -> None:
        """Take the token out of its slot."""
        self.objects.rename(self.folder / "pulled")
        self.objects.mkdir()

    def put_back(self) -> None:
        """Put it in again."""
        shutil.rmtree(self.objects)
        (self.folder / "pulled").rename(self.objects)

    def run(self, *command: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a program that uses the token."""
        environment = os.environ | {CONFIGURATION: str(self.configuration)}
        words = list(map(str, command))
        return subprocess.run(words, env=environment, text=True, capture_output=True, check=check, timeout=200)

    def tool(self, *arguments: str) -> None:
        """Let somebody else's program, logged in as the user, do something to the token."""
        if shutil.which("pkcs11-tool") is None:
            missing("pkcs11-tool (Debian's opensc)")
        self.run("pkcs11-tool", "--module", self.module, "--token-label", self.label, "--login", "--pin", PIN, *arguments)

    def hold_backup_key(self, label: str, key: bytes) -> None:
        """Put a wrapping key into the token and mark it as trusted, as its security officer would."""
        self.run(sys.executable, "-c", OFFICER, self.module, self.label, OFFICER_PIN, label, key.hex())


def require_engine() -> None:
    """Skip the running test unless openssl can ask tokens itself."""
    asked = subprocess.run(["openssl", "engine", "pkcs11"], capture_output=True, text=True, check=False)
    if "(pkcs11)" not in asked.stdout:
        missing("openssl's pkcs11 engine (Debian's libengine-pkcs11-openssl)")


@contextmanager
def soft_token(folder: Path) -> Iterator[SoftToken]:
    """Make an empty token, and let SoftHSM see it in this process and those that it starts."""
    if shutil.which("softhsm2-util") is None or not (found := [path for path in MODULES if path.exists()]):
        missing("SoftHSM (Debian's softhsm2)")
    # A label of its own: this process remembers the sessions of those before it.
    soft = SoftToken(found[0], folder / "softhsm", f"tegata-{os.getpid()}-{next(_numbers)}")
    soft.objects.mkdir(parents=True)
    soft.configuration.write_text(f"directories.tokendir = {soft.objects}\nobjectstore.backend = file\nlog.level = ERROR\n")
    soft.run("softhsm2-util", "--init-token", "--free", "--label", soft.label, "--pin", PIN, "--so-pin", OFFICER_PIN)
    before = os.environ.get(CONFIGURATION)
    os.environ[CONFIGURATION] = str(soft.configuration)
    try:
        yield soft
    finally:
        os.environ.pop(CONFIGURATION)
        if before is not None:
            os.environ[CONFIGURATION] = before
