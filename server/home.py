"""The home folder: everything that is written lies in it, readable by its owner only."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """Where things lie below `$TEGATA_HOME`. Making it is safe to repeat after an interruption."""

    path: Path

    @property
    def keys(self) -> Path:
        """Encrypted private keys."""
        return self.path / "keys"

    @property
    def secrets(self) -> Path:
        """Passphrases and passwords, one file each (unless the process manager holds them)."""
        return self.path / "secrets"

    @property
    def tls(self) -> Path:
        """Certificate chains and keys of the doors, and the CA certificates that they trust."""
        return self.path / "tls"

    @property
    def published(self) -> Path:
        """What the status door serves as files."""
        return self.path / "published"

    @property
    def mail(self) -> Path:
        """The maildir that mail goes to when no SMTP server is set."""
        return self.path / "mail"

    @property
    def attachments(self) -> Path:
        """What customers sent with their applications, each file under the SHA-256 of its content."""
        return self.path / "attachments"

    @property
    def logs(self) -> Path:
        """One file per process of `tegata serve`."""
        return self.path / "logs"

    @property
    def demo(self) -> Path:
        """What the terminal of a demo home holds on "its" PC."""
        return self.path / "demo"

    @property
    def demo_file(self) -> Path:
        """The addresses and log-ins of a demo home; written last, so its presence means that the demo is whole."""
        return self.path / "demo.json"

    @property
    def clock_offset(self) -> Path:
        """The shift of a demo home's clock, in seconds."""
        return self.path / "clock-offset"

    @property
    def root_bundle(self) -> Path:
        """The root certificate(s) as PEM: what clients of our doors trust."""
        return self.path / "ca" / "root.pem"

    @property
    def is_founded(self) -> bool:
        """Whether the home was made to its end: the root bundle is written last."""
        return self.root_bundle.exists()

    @property
    def log_key(self) -> Path:
        """The audit log's verifier key (C2SP vkey): what those who check the log must have from us."""
        return self.root_bundle.with_name("log.vkey")

    @property
    def checkpoints(self) -> Path:
        """The audit log's signed heads, kept outside of the database: they must not be restored together with it."""
        return self.path / "checkpoints"

    @property
    def gateway_key(self) -> Path:
        """The verifier key of the gateways' positive list: what gateways must have from us."""
        return self.root_bundle.with_name("gateway.vkey")

    @property
    def gateway_list(self) -> Path:
        """The gateways' positive list, where `ca.publication` serves it from."""
        return self.published / "gateway"

    def make(self) -> None:
        """Make the folders that are not there yet, closed to everybody else."""
        folders = (self.keys, self.secrets, self.tls, self.root_bundle.parent, self.published, self.logs)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        for folder in folders:
            folder.mkdir(mode=0o700, exist_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file of mode 0600 so that a reader, or a crash, finds the old one or the new one and nothing between."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    raw = content.encode() if isinstance(content, str) else content
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_if_new(path: Path, content: str) -> None:
    """Write a file unless there is one of this name."""
    if not path.exists():
        write_whole(path, content)


def secret_file(folder: Path, name: str) -> str:
    """Return the random secret that a file holds, made at the first call (256 bits)."""
    path = folder / name
    if not path.exists():
        write_whole(path, secrets.token_urlsafe(32) + "\n")
    return path.read_text(encoding="ascii").strip()
