"""Settings: TOML in the home, environment above it (`server.environment`).

Everything is checked at start and every fault is told at once, in plain words. Secrets never come from environment
values: they are files in `secrets_dir` ($TEGATA_HOME/secrets, or the process manager's credentials folder).
"""

import ipaddress
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as SourceError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from server.environment import variables
from server.key_places import KeySettings
from server.trouble import Trouble

PREFIX = "TEGATA_"
DOORS = ("portal", "retrieval", "center", "terminals", "status")
# Doors that are only opened where somebody gave them an address.
OPTIONAL_DOORS = ("plain",)
DATABASES = ("sqlite", "postgresql+psycopg")
HIGHEST_PORT = 65_535
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Days = Annotated[int, Field(ge=0, le=180)]


class SettingsFault(Trouble):
    """The settings can not be used; `faults` has one sentence for each thing to mend."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class DoorSettings(BaseModel):
    """One door: where it listens, under which address the world knows it, how many requests it works on at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheme: Literal["https", "http"] = "https"
    bind: str
    public_url: str | None = None
    workers: int = Field(default=1, ge=1, le=64)
    threads: int = Field(default=8, ge=1, le=256)
    # Seconds from a request's first octet to the end of its answer.
    deadline: int = Field(default=30, ge=1, le=3_600)

    @field_validator("bind")
    @classmethod
    def _is_an_address(cls, bind: str) -> str:
        host, _, port = bind.rpartition(":")
        if not host or not port.isdigit() or int(port) > HIGHEST_PORT:
            raise ValueError("must be HOST:PORT, for example 127.0.0.1:8443")
        return bind

    @field_validator("public_url")
    @classmethod
    def _is_a_web_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError("must be a web address such as https://tegata.example.jp")
        return url.rstrip("/")

    @property
    def host(self) -> str:
        """Return the host part of `bind`, without an IPv6 address's brackets."""
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Return the port of `bind`; 0 lets the system choose."""
        return int(self.bind.rpartition(":")[2])

    @property
    def url(self) -> str:
        """Return the public address, without a slash at its end."""
        return self.public_url or f"{self.scheme}://localhost:{self.port}"

    @property
    def is_strictly_https(self) -> bool:
        """Tell whether browsers may be told to come by https only: not to a trial's localhost, where other things run, too."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        return parts.scheme == "https" and not host.endswith(".localhost") and not _is_own(host)


class PlainDoor(DoorSettings):
    """SCEP and CMP without TLS: their messages protect themselves, and the address is this machine's own."""

    scheme: Literal["http"] = "http"

    @field_validator("bind")
    @classmethod
    def _is_loopback(cls, bind: str) -> str:
        if not _is_own(bind.rpartition(":")[0].strip("[]")):
            raise ValueError("must be a loopback address, for example 127.0.0.1:8081: what comes here is not encrypted")
        return bind


class Settings(BaseSettings):
    """Everything that an operator may decide. `TEGATA_PORTAL__BIND` is `[portal] bind` in the TOML file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", nested_model_default_partial_update=True, extra="forbid", frozen=True
    )

    home: Path
    database_url: str = ""
    secrets_dir: Path = Path()

    # None: the pages' own name, which is translated.
    service_name: str | None = Field(default=None, min_length=1, max_length=60)
    help_desk: str = "0120-000-000"
    # Where the network's own software for terminals (パッケージソフト) and its manuals are had, and what the link is called;
    # without the address no page speaks of it, and without a name it has the pages' own, which is translated.
    package_url: str | None = None
    package_name: str | None = Field(default=None, min_length=1, max_length=60)
    organisation: str = Field(default="Tegata Customs Network", min_length=1, max_length=64)
    # RFC 4151: the owner of the domain on the first day of that year mints `tag:DOMAIN,YEAR:terminal:NAME`.
    tag_domain: str = Field(default="example.jp", pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")
    tag_year: int = Field(default=2026, ge=1994, le=2999)

    # The policy in terminal certificates. The default stands below the number that RFC 5612 reserves for examples.
    policy_oid: str = Field(default="1.3.6.1.4.1.32473.1.1", pattern=r"^[012](\.(0|[1-9][0-9]*)){2,}$")
    # The policy in time stamps (RFC 3161): how the clock is kept and the key guarded.
    timestamp_policy_oid: str = Field(default="1.3.6.1.4.1.32473.1.2", pattern=r"^[012](\.(0|[1-9][0-9]*)){2,}$")
    # The last day of the system generation; without it a certificate runs one year from its retrieval.
    generation_end: date | None = None

    # Days before a certificate's last day from which it may be renewed.
    renewal_window_days: int = Field(default=28, ge=1, le=180)
    # How many days before a certificate's last day, and before a suspension, mails are sent; none when empty.
    reminder_days: Annotated[tuple[Days, ...], NoDecode] = (28, 14, 7, 3, 1, 0)
    suspension_warning_days: Annotated[tuple[Days, ...], NoDecode] = (30, 14, 3)
    # Whether reissues are accepted and prepared at once, by a job; else staff accept them, and codes come the next business day.
    same_day_reissue: bool = False

    # How many files a customer may send at once with an application or an answer, and how large each may be.
    attachments_most: int = Field(default=5, ge=1, le=20)
    attachment_megabytes: int = Field(default=5, ge=1, le=50)

    # A log-in ends after so many minutes without a request, and so many hours after it began.
    session_idle_minutes: int = Field(default=30, ge=1, le=720)
    session_hours: int = Field(default=12, ge=1, le=168)

    # Months are closed on this day of the next one; the operator's own prices, instead of registry/billing/prices.toml.
    billing_day: int = Field(default=1, ge=1, le=28)
    billing_prices: Path | None = None

    smtp_url: str | None = None
    smtp_ca_file: Path | None = None
    mail_from: str = Field(default="no-reply@example.jp", pattern=r"^[^@\s]+@[^@\s]+$")
    # Where undeliverable mails go back to, with a token before the @ (`bounces+TOKEN@example.jp`), and the Maildir that they
    # are put into there. Both or none.
    mail_bounce_address: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,31}@[A-Za-z0-9.-]{1,180}$")
    mail_bounces: Path | None = None

    # Whether OCSP tells the hash of a certificate that was given out (certHash, Common PKI part 4).
    ocsp_cert_hash: bool = False
    # How many OCSP answers each process of the status door keeps; one takes about four kilobytes.
    ocsp_kept_answers: int = Field(default=20_000, ge=100, le=10_000_000)

    # Whether EST's serverkeygen makes keys on our side (RFC 7030 §4.4); a key that never leaves its PC is better.
    est_serverkeygen: bool = False

    keys: KeySettings = KeySettings()

    # Folders, of other machines at best, that each signed head of the audit log is copied to: a log that was cut or rewritten
    # together with this machine is found by them (`tegata audit verify`).
    audit_copies: Annotated[tuple[Path, ...], NoDecode] = ()

    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    # Reverse proxies that end the terminals' TLS and hand their certificates on (`server.client_certificates`). One that only
    # passes TLS through must not stand here: its clients could then write those headers themselves.
    certificate_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    portal: DoorSettings = DoorSettings(bind="127.0.0.1:8443")
    retrieval: DoorSettings = DoorSettings(bind="127.0.0.1:8444")
    center: DoorSettings = DoorSettings(bind="127.0.0.1:8445")
    terminals: DoorSettings = DoorSettings(bind="127.0.0.1:8446")
    status: DoorSettings = DoorSettings(bind="127.0.0.1:8080", scheme="http")
    # For clients that speak no TLS; there is no such door unless it has an address.
    plain: PlainDoor | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment above the home's TOML file and ask nothing else."""
        del dotenv_settings, file_secret_settings
        toml = TomlConfigSettingsSource(settings_cls, toml_file=Path(init_settings()["home"]) / "tegata.toml")
        return init_settings, env_settings, toml

    @field_validator(
        *("trusted_proxies", "certificate_proxies", "audit_copies", "reminder_days", "suspension_warning_days"), mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, value: str) -> str:
        if not value:
            return value
        if _database_address(value).drivername not in DATABASES:
            raise ValueError(f"must begin with {' or '.join(DATABASES)}")
        return value

    @field_validator("package_url")
    @classmethod
    def _leads_somewhere(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or not value.isprintable():
            raise ValueError("must be a web address such as https://software.example.jp/manuals")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("must be smtp://[USER@]HOST[:PORT][?starttls[=required|offered|never]] or smtps://…")
        if parts.query not in {"", "starttls", "starttls=required", "starttls=offered", "starttls=never"}:
            raise ValueError("knows one option: starttls (or starttls=required), starttls=offered, starttls=never")
        return value

    @model_validator(mode="after")
    def _doors_differ(self) -> "Settings":
        binds = [self.door(name).bind for name in self.doors if self.door(name).port]
        if len(set(binds)) < len(binds):
            raise ValueError("two doors have the same bind address: each needs its own port")
        return self

    @model_validator(mode="after")
    def _secrets_are_encrypted(self) -> "Settings":
        proxied = self.trusted_proxies or self.certificate_proxies
        for name in () if proxied else DOORS:
            door = self.door(name)
            if name != "status" and door.scheme == "http" and not _is_own(door.host):
                raise ValueError(
                    f"the door {name} would take passwords and codes at {door.bind} without TLS: leave its scheme https, bind it "
                    f"to 127.0.0.1, or name the proxies that end TLS for it in trusted_proxies"
                )
        return self

    @model_validator(mode="after")
    def _bounces_are_read(self) -> "Settings":
        if (self.mail_bounces is None) != (self.mail_bounce_address is None):
            raise ValueError("mail_bounces and mail_bounce_address belong together: where mails come back to, and where they lie")
        return self

    @field_validator("status")
    @classmethod
    def _is_plain(cls, status: DoorSettings) -> DoorSettings:
        # RFC 5280 §8: who checks a certificate must not have to check this door's first.
        if status.scheme != "http" or urlsplit(status.url).scheme != "http":
            raise ValueError("the status door and its public_url are http://: what it tells is signed, and had without TLS")
        return status

    @property
    def doors(self) -> tuple[str, ...]:
        """The names of the doors that are opened."""
        return DOORS + tuple(name for name in OPTIONAL_DOORS if getattr(self, name) is not None)

    def door(self, name: str) -> DoorSettings:
        """Return a door's settings by the door's name; raises SettingsFault for one that is not opened."""
        door: DoorSettings | None = getattr(self, name)
        if door is None:
            raise SettingsFault([f"the door {name} is not opened here: set {PREFIX}{name.upper()}__BIND"])
        return door

    @property
    def demo(self) -> bool:
        """Whether this home was made by `tegata init --demo`: its last deed is to write demo.json."""
        return (self.home / "demo.json").exists()

    @property
    def san_tag(self) -> str:
        """Return what a terminal's name is appended to in its certificate's URI."""
        return f"tag:{self.tag_domain},{self.tag_year}:terminal:"

    def secret(self, name: str) -> str:
        """Read a secret's file.

        Raises SettingsFault when it is absent or others may read it.
        """
        path = self.secrets_dir / name
        try:
            mode = path.stat().st_mode
            content = path.read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise SettingsFault([f"the secret {name} can not be read from {self.secrets_dir}: {error.strerror}"]) from error
        # The process manager's folder has permissions of its own making.
        if mode & 0o077 and self.secrets_dir == self.home / "secrets":
            raise SettingsFault([f"{path} can be read by others: chmod 600 it"])
        return content

    @property
    def database_address(self) -> str:
        """Return the database's address, with the password of the secret `database_password` where there is one."""
        if not (self.secrets_dir / "database_password").exists():
            return self.database_url
        address = make_url(self.database_url).set(password=self.secret("database_password"))
        return address.render_as_string(hide_password=False)


def load(home: Path | None = None) -> Settings:
    """Read the settings of a home (default: $TEGATA_HOME, else ./var).

    Raises SettingsFault with every fault that was found.
    """
    home = (home or Path(variables().get("TEGATA_HOME") or "var")).absolute()
    faults = list(_passwords_in_environment())
    try:
        settings = Settings(home=home, **_folders(home))
    except ValidationError as error:
        faults += [_sentence(dict(fault)) for fault in error.errors()]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{home / 'tegata.toml'} is not TOML: {error}")
    except SourceError as error:
        faults.append(str(error))
    if faults:
        raise SettingsFault(faults)
    return settings


def unknown_names() -> list[str]:
    """Return the variables of the environment that look like settings and are none (a slip of the pen, mostly)."""
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    nested = (*(f"{PREFIX}{part.upper()}__" for part in (*DOORS, *OPTIONAL_DOORS, "keys")), f"{PREFIX}TEST")
    return sorted(name for name in variables() if name.startswith(PREFIX) and name not in known and not name.startswith(nested))


def _folders(home: Path) -> dict[str, Any]:
    """Return the values that follow from the home or the process manager unless somebody set them."""
    toml = home / "tegata.toml"
    written = tomllib.loads(toml.read_text(encoding="utf-8")) if toml.exists() else {}
    values: dict[str, Any] = {}
    if not variables().get("TEGATA_DATABASE_URL") and not written.get("database_url"):
        values["database_url"] = f"sqlite:///{home / 'tegata.db'}"
    if not variables().get("TEGATA_SECRETS_DIR") and "secrets_dir" not in written:
        values["secrets_dir"] = Path(variables().get("CREDENTIALS_DIRECTORY") or home / "secrets")
    return values


def _is_own(host: str) -> bool:
    return host == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _database_address(value: str) -> URL:
    try:
        return make_url(value)
    except ArgumentError as error:
        raise ValueError("is not a database address such as postgresql+psycopg://user@host/tegata") from error


def _passwords_in_environment() -> Iterator[str]:
    for name, secret in (("TEGATA_DATABASE_URL", "database_password"), ("TEGATA_SMTP_URL", "smtp_password")):
        try:
            password = urlsplit(variables().get(name, "")).password
        except ValueError:
            password = None
        if password:
            yield f"{name} carries a password, which others can see: take it out and put it into the file secrets/{secret}"


def _sentence(fault: dict[str, Any]) -> str:
    path = [str(part) for part in fault["loc"]]
    # An entry of a list is told under the list's name.
    named = [part for part in path if not part.isdigit() and part.isidentifier()]
    what = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        what = "is no setting"
    if not named:
        return str(what)
    return f"{'.'.join(named)} ({PREFIX}{'__'.join(named).upper()}): {what}"
