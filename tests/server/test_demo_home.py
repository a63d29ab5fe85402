"""A demo home as an operator sees it: made, interrupted, served, moved in time. Slow: real processes, both databases."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.request import urlopen

import pyotp
import pytest

from kernel.clock import DemoClock
from server.leases import LEASE
from tests.support.demo import DOORS, Demo, environment_on_free_ports, found_demo
from tests.support.postgres import PostgresUnavailable, private_server
from tests.support.required import missing

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Serve a demo home, once on each database."""
    folder = tmp_path_factory.mktemp("demo")
    if request.param == "sqlite":
        made = found_demo(folder)
        with made.served():
            yield made
        return
    try:
        with private_server() as server:
            server.execute("CREATE DATABASE {}", "empty")
            made = found_demo(folder, database_url=server.url("empty"))
            with made.served():
                yield made
    except PostgresUnavailable as reason:
        missing(str(reason))


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def logon(demo: Demo, folder: Path, access_key: str) -> tuple[int, str | None]:
    door = ["--server", demo.facts["terminals"], "--ca", demo.root, "--folder", folder]
    result = demo.run("terminal", "logon", *door, "--access-key-file", "-", "--json", stdin=access_key, check=False)
    return result.returncode, json.loads(result.stdout)["code"]


def retrieve(demo: Demo, codes: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    door = ["--server", demo.facts["retrieval"], "--ca", demo.root, "--out", folder]
    return demo.run("terminal", "retrieve", *door, "--inputs", "-", stdin=json.dumps(codes), check=False)


def test_the_facts_name_doors_people_and_the_terminal_that_is_in_service(demo: Demo) -> None:
    facts = demo.facts
    assert [facts[name].partition(":")[0] for name in DOORS] == ["https"] * 4 + ["http"]
    assert {person["user"] for person in facts["customers"]} == {"hanako", "jiro"}
    assert {person["role"] for person in facts["staff"]} == {"review", "issuing", "security"}
    assert facts["customers"][0]["totp_secret"] is None
    assert len({person["totp_secret"] for person in facts["staff"] + facts["customers"][1:]}) == 4
    assert stat.S_IMODE((demo.home / "demo.json").stat().st_mode) == 0o600
    terminal = facts["terminal"]
    assert logon(demo, Path(terminal["folder"]), terminal["access_key"]) == (0, None)
    assert logon(demo, Path(terminal["folder"]), "1234567890128") == (1, "A0018")


def test_nothing_in_the_home_is_readable_by_others(demo: Demo) -> None:
    open_to_others = [path for path in demo.home.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_every_door_is_ready_and_making_the_demo_again_changes_nothing(demo: Demo) -> None:
    before = (demo.home / "demo.json").read_bytes()
    assert "ready" in demo.run("init", "--demo").stdout
    assert (demo.home / "demo.json").read_bytes() == before
    with urlopen(demo.facts["status"] + "/readyz") as answer:  # noqa: S310 (http, our own door)
        assert answer.read() == b"database: ready\ncrl: ready\nkeys: ready\n"


def test_the_code_of_an_app_follows_the_demos_clock(demo: Demo) -> None:
    person = demo.facts["staff"][0]
    told = demo.run("demo", "totp", person["user"]).stdout.strip()
    now = int(DemoClock(demo.home / "clock-offset").now().timestamp()) // 30
    assert told in {pyotp.TOTP(person["totp_secret"]).generate_otp(step) for step in (now - 1, now)}
    assert "jiro" in demo.run("demo", "totp", "hanako", check=False).stderr


def test_a_terminal_waits_for_midnight_and_the_demos_clock_brings_it(demo: Demo, tmp_path: Path) -> None:
    today = date.fromisoformat(demo.run("demo", "clock", "show").stdout.split()[0])
    tomorrow = (today + timedelta(days=1)).isoformat()
    codes = json.loads(demo.run("demo", "codes", "--terminals", "1", "--start", tomorrow, "--json").stdout)
    assert codes["start_date"] == tomorrow
    assert retrieve(demo, codes, tmp_path / "pc").returncode == 0
    assert logon(demo, tmp_path / "pc", codes["access_key"]) == (1, "A0006")
    assert demo.run("demo", "clock", "+1d").stdout.split()[0] == tomorrow
    assert logon(demo, tmp_path / "pc", codes["access_key"]) == (0, None)


def test_codes_are_for_one_pc_and_stand_in_no_mail_and_no_log(demo: Demo, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in demo.run("demo", "codes", "--terminals", "3", "--json").stdout.splitlines()]
    assert len({row["terminal"] for row in rows}) == 3
    assert retrieve(demo, rows[0], tmp_path / "pc1").returncode == 0
    second = retrieve(demo, rows[0], tmp_path / "pc2")
    assert (second.returncode, second.stderr.partition(":")[2].split(":")[0].strip()) == (1, "codes-spent")
    until(lambda: len(list((demo.home / "mail" / "new").glob("*"))) >= 4)
    written = [path for folder in ("mail", "logs") for path in (demo.home / folder).rglob("*") if path.is_file()]
    written.append(demo.home.parent / "serve.log")
    secrets = [row[name].encode() for row in rows for name in ("access_key", "auth_code_2", "auth_code_3")]
    assert [path for path in written if any(secret in path.read_bytes() for secret in secrets)] == []


def test_jobs_run_and_the_log_is_sealed(demo: Demo) -> None:
    def all_ran() -> bool:
        rows = json.loads(demo.run("jobs", "list", "--json").stdout)
        # Who is seldom asked lets the lease go between.
        held = [row["holder"] for row in rows if row["every_seconds"] < LEASE.total_seconds() / 2]
        return all(row["ran_at"] and row["failure"] is None for row in rows) and all(held) and len(held) > 5

    until(all_ran)
    assert demo.run("jobs", "run", "audit-seal").stdout.startswith("audit-seal: ")
    assert "whole" in demo.run("audit", "verify").stdout
    entries = [json.loads(line) for line in demo.run("audit", "export").stdout.splitlines()]
    assert [entry["id"] for entry in entries] == sorted(entry["id"] for entry in entries)
    assert "certificate.issue" in {entry["action"] for entry in entries}
    assert "issuing-1.crl" in demo.run("crl", "publish").stdout
    assert demo.run("jobs", "run", "nonsense", check=False).returncode == 1


def test_a_door_that_is_killed_comes_back(demo: Demo) -> None:
    def door_pids() -> set[int]:
        found = set()
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    name = (process / "comm").read_text()
                    is_ours = f"TEGATA_HOME={demo.home}".encode() in (process / "environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                if is_ours and name == "status\n":
                    found.add(int(process.name))
        return found

    before = door_pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        try:
            with urlopen(demo.facts["status"] + "/healthz", timeout=20) as answer:  # noqa: S310
                return bool(answer.read() == b"ok\n") and not door_pids() & before
        except OSError:  # not yet, or asked of a process that was about to die
            return False

    until(is_back)


def test_a_second_serve_is_told_that_the_port_is_taken(demo: Demo) -> None:
    second = demo.run("serve", check=False)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert "TEGATA_PORTAL__BIND" in second.stderr


def test_an_interrupted_making_is_finished_by_the_next_one(tmp_path: Path) -> None:
    """Killed again and again, each time half as late again, until one run gets through."""
    demo = Demo(tmp_path / "home", environment_on_free_ports(tmp_path / "home"))
    patience, is_made = 0.1, False
    while not is_made:
        try:
            is_made = demo.run("init", "--demo", patience=patience).returncode == 0
        except subprocess.TimeoutExpired:
            patience *= 3 / 2
    with demo.served():
        terminal = demo.facts["terminal"]
        assert logon(demo, Path(terminal["folder"]), terminal["access_key"]) == (0, None)
    assert not list(demo.home.glob("demo-*"))
    issued = [json.loads(line) for line in demo.run("audit", "export").stdout.splitlines()]
    assert [entry["subject"] for entry in issued if entry["action"] == "certificate.issue"].count("terminal:99999W") == 1


def test_a_clock_is_moved_within_reason_and_publishes_no_crl_before_its_predecessor(tmp_path: Path) -> None:
    demo = found_demo(tmp_path)
    # A clock that no date can name would close every door of the home for good.
    assert demo.run("demo", "clock", "+999999999d", check=False).returncode == 1
    demo.run("demo", "clock", "-1h")
    refused = demo.run("crl", "publish", check=False)
    assert refused.returncode == 1
    assert "clock" in refused.stderr


def test_a_changed_entry_is_found(tmp_path: Path) -> None:
    demo = found_demo(tmp_path)
    demo.run("jobs", "run", "audit-seal")
    with sqlite3.connect(demo.home / "tegata.db") as connection:
        connection.execute("UPDATE kernel_audit_entry SET actor = 'staff:nobody' WHERE id = 3")
    found = demo.run("audit", "verify", check=False)
    assert found.returncode == 1
    assert "entry 3 was changed" in found.stderr
