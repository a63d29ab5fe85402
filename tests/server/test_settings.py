from pathlib import Path

import pytest

from enrollment.deadlines.days import REMINDERS, WARNINGS
from server import settings
from server.mailing import letters_of
from server.settings import DoorSettings, Settings, SettingsFault


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEGATA_HOME", "TEGATA_DATABASE_URL", "TEGATA_SMTP_URL", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def faults_of(home: Path) -> str:
    with pytest.raises(SettingsFault) as caught:
        settings.load(home)
    return "\n".join(caught.value.faults)


def test_a_home_without_settings_has_the_documented_addresses(tmp_path: Path) -> None:
    chosen = settings.load(tmp_path)
    assert [chosen.door(name).url for name in settings.DOORS] == [
        "https://localhost:8443",
        "https://localhost:8444",
        "https://localhost:8445",
        "https://localhost:8446",
        "http://localhost:8080",
    ]
    assert chosen.database_url == f"sqlite:///{tmp_path / 'tegata.db'}"
    assert chosen.san_tag == "tag:example.jp,2026:terminal:"
    assert chosen.demo is False


def test_the_environment_stands_above_the_file_and_leaves_the_rest_of_a_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tegata.toml").write_text('[portal]\nbind = "127.0.0.1:1001"\nthreads = 3\n[center]\nbind = "[::1]:1002"\n')
    monkeypatch.setenv("TEGATA_PORTAL__BIND", "0.0.0.0:1003")
    monkeypatch.setenv("TEGATA_CENTER__PUBLIC_URL", "https://center.example.jp/")
    chosen = settings.load(tmp_path)
    assert (chosen.portal.bind, chosen.portal.threads, chosen.portal.url) == ("0.0.0.0:1003", 3, "https://localhost:1003")
    assert (chosen.center.host, chosen.center.port, chosen.center.url) == ("::1", 1002, "https://center.example.jp")


def test_all_faults_are_told_at_once_with_the_names_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tegata.toml").write_text('typo = 1\n[portal]\nbint = "x"\n')
    monkeypatch.setenv("TEGATA_STATUS__BIND", "8080")
    monkeypatch.setenv("TEGATA_TRUSTED_PROXIES", "10.0.0.0/8, nonsense")
    monkeypatch.setenv("TEGATA_SMTP_URL", "mailhost")
    told = faults_of(tmp_path)
    for name in ("typo", "portal.bint", "TEGATA_STATUS__BIND", "TEGATA_TRUSTED_PROXIES", "TEGATA_SMTP_URL"):
        assert name in told


@pytest.mark.parametrize(
    ("name", "value"),
    [("SCHEME", "https"), ("PUBLIC_URL", "https://status.example.jp"), ("PUBLIC_URL", "HTTPS://status.example.jp")],
)
def test_the_status_door_is_had_without_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:  # fmt: skip
    monkeypatch.setenv(f"TEGATA_STATUS__{name}", value)
    told = faults_of(tmp_path)
    assert "TEGATA_STATUS" in told
    assert "without TLS" in told
    monkeypatch.setenv(f"TEGATA_STATUS__{name}", value.lower().replace("https", "http"))
    assert settings.load(tmp_path).status.url.startswith("http://")


def test_a_broken_file_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "tegata.toml").write_text("portal = \n")
    assert "line 1" in faults_of(tmp_path)


def test_a_password_in_the_environment_is_refused_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEGATA_DATABASE_URL", "postgresql+psycopg://tegata:hushhush@db/tegata")
    told = faults_of(tmp_path)
    assert "secrets/database_password" in told
    assert "hushhush" not in told


def test_the_database_password_comes_from_its_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEGATA_DATABASE_URL", "postgresql+psycopg://tegata@db/tegata")
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "database_password"
    secret.write_text("p@ss\n")
    secret.chmod(0o600)
    assert settings.load(tmp_path).database_address == "postgresql+psycopg://tegata:p%40ss@db/tegata"


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "keys_passphrase").write_text("x")
    (tmp_path / "secrets" / "keys_passphrase").chmod(0o644)
    with pytest.raises(SettingsFault, match="chmod 600"):
        settings.load(tmp_path).secret("keys_passphrase")
    with pytest.raises(SettingsFault, match="absent"):
        settings.load(tmp_path).secret("absent")


def test_the_process_managers_credentials_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "smtp_password").write_text("from systemd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert settings.load(tmp_path).secret("smtp_password") == "from systemd"


def test_two_doors_at_one_address_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEGATA_CENTER__BIND", "127.0.0.1:8443")
    assert "own port" in faults_of(tmp_path)


@pytest.mark.parametrize("name", ["PORTAL", "RETRIEVAL", "CENTER", "TERMINALS"])
def test_passwords_and_codes_come_without_tls_from_this_machine_or_a_proxy_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"TEGATA_{name}__SCHEME", "http")
    assert settings.load(tmp_path).door(name.lower()).scheme == "http"
    monkeypatch.setenv(f"TEGATA_{name}__BIND", "0.0.0.0:9443")
    assert "without TLS" in faults_of(tmp_path)
    monkeypatch.setenv("TEGATA_TRUSTED_PROXIES", "10.0.0.0/8")
    assert settings.load(tmp_path).door(name.lower()).scheme == "http"


def test_a_misspelt_variable_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEGATA_DATABSE_URL", "x")
    monkeypatch.setenv("TEGATA_PORTAL__BIND", "x:1")
    monkeypatch.setenv("TEGATA_HELP_DESKS", "x")
    monkeypatch.setenv("TEGATA_KEYS__CUSTODY", "software")
    assert settings.unknown_names() == ["TEGATA_DATABSE_URL", "TEGATA_HELP_DESKS"]


def test_the_mails_name_the_service_and_the_help_desk_that_were_set(tmp_path: Path) -> None:
    letters = letters_of(Settings(home=tmp_path, service_name="審査室", help_desk="0120-111-111"))
    assert (letters.service_ja, letters.service_en, letters.help_desk) == ("審査室", "審査室", "0120-111-111")
    assert letters_of(Settings(home=tmp_path)).service_en == "Terminal Authentication Center Support System"


def test_where_the_package_software_is_had_is_a_web_address_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load(tmp_path).package_url is None
    for wrong in ("javascript:alert(1)", "software.example.jp", "https://user@software.example.jp", "https://", ""):
        monkeypatch.setenv("TEGATA_PACKAGE_URL", wrong)
        assert "package_url (TEGATA_PACKAGE_URL): must be a web address" in faults_of(tmp_path)
    monkeypatch.setenv("TEGATA_PACKAGE_URL", "https://software.example.jp/manuals?kind=net")
    monkeypatch.setenv("TEGATA_PACKAGE_NAME", "端末用ソフト")
    chosen = settings.load(tmp_path)
    assert (chosen.package_url, chosen.package_name) == ("https://software.example.jp/manuals?kind=net", "端末用ソフト")


def test_settings_show_no_secret(tmp_path: Path) -> None:
    assert "password" not in repr(Settings(home=tmp_path))


def test_the_days_of_reminders_and_warnings_are_the_domains_unless_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = settings.load(tmp_path)
    assert (usual.reminder_days, usual.suspension_warning_days) == (REMINDERS, WARNINGS)
    monkeypatch.setenv("TEGATA_REMINDER_DAYS", "10, 5")
    monkeypatch.setenv("TEGATA_SUSPENSION_WARNING_DAYS", "")
    ours = settings.load(tmp_path)
    assert (ours.reminder_days, ours.suspension_warning_days) == ((10, 5), ())
    monkeypatch.setenv("TEGATA_REMINDER_DAYS", "ten")
    with pytest.raises(SettingsFault, match="TEGATA_REMINDER_DAYS"):
        settings.load(tmp_path)


def test_where_mails_come_back_to_and_where_they_lie_belong_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEGATA_MAIL_BOUNCES", "/var/lib/tegata/bounces")
    assert "mail_bounce_address" in faults_of(tmp_path)
    monkeypatch.setenv("TEGATA_MAIL_BOUNCE_ADDRESS", "boun+ces@example.jp")
    assert "TEGATA_MAIL_BOUNCE_ADDRESS" in faults_of(tmp_path)
    monkeypatch.setenv("TEGATA_MAIL_BOUNCE_ADDRESS", "bounces@example.jp")
    assert settings.load(tmp_path).mail_bounces == Path("/var/lib/tegata/bounces")


@pytest.mark.parametrize(
    ("url", "is_strict"),
    [
        ("https://tegata.example.jp", True),
        ("https://tegata.example.jp:8443/portal", True),
        ("http://tegata.example.jp", False),
        ("https://localhost:8443", False),
        ("https://portal.localhost", False),
        ("https://127.0.0.1:8443", False),
        ("https://[::1]:8443", False),
    ],
)
def test_only_an_address_of_the_world_is_said_to_be_https_for_ever(url: str, is_strict: bool) -> None:  # noqa: FBT001
    assert DoorSettings(bind="127.0.0.1:8443", public_url=url).is_strictly_https is is_strict
    assert not DoorSettings(bind="127.0.0.1:8443").is_strictly_https
