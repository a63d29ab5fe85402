"""P7 and P8: pages of both doors behind nginx with TLS, 50 users, 10,000 offices, 100,000 terminals, 1,000,000 certificates.

Each user has a log-in and an office of their own. wrk asks over 50 kept-alive connections, in a process of its own: once without
thinking, which tells how many pages a core gives in a second, and once at a pace well below that, which tells how long a page
takes. Also what a worker weighs, and what it costs until a door answers first.
Run as `python -m bench.pages [--offices 10000] [--seconds 5] [--pace 40]`; needs Debian's nginx, wrk and PostgreSQL.
"""

import argparse
import os
import re
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from bench import measure
from bench.country import Country, Town, settle
from bench.ocsp import children, cpu, private_mb, running
from bench.redemptions import cpu_of
from tests.crash.homes import found_home
from tests.support.localhost_tls import localhost_credentials
from tests.support.postgres import private_server
from webui.accounts import Door

USERS = 50
PORTS = {Door.PORTAL: 19_110, Door.CENTER: 19_111}
FRONTS = {Door.PORTAL: 19_112, Door.CENTER: 19_113}
NGINX = """
user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {folder}/localhost.pem; ssl_certificate_key {folder}/localhost.key;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
    {servers}
}}
"""
SERVER = """
    upstream {door} {{ server 127.0.0.1:{port}; keepalive 64; keepalive_timeout 10s; }}
    server {{
        listen 127.0.0.1:{front} ssl;
        location = /begin {{ return 204; }}
        location / {{ proxy_pass http://{door}; }}
    }}
"""
SCRIPT = """
local paths = {{ {paths} }}
local cookies = {{ {cookies} }}
local number = 0
local beginnings = {beginnings}  -- wrk lets nobody wait before the first request: 50 users would press a key at one instant
request = function()
  number = number % #paths + 1
  if beginnings > 0 then
    beginnings = beginnings - 1
    return wrk.format("GET", "/begin", {{["Host"] = "localhost:{front}"}})
  end
  return wrk.format("GET", paths[number], {{["Cookie"] = cookies[number], ["Host"] = "localhost:{front}"}})
end
delay = function() return {delay} end
"""


@dataclass(frozen=True)
class Page:
    """A page of a door, with the address that it has for an office. `kind` names its target."""

    what: str
    door: Door
    kind: str
    address: Callable[[Town], str]


PAGES = (
    Page("menu", Door.PORTAL, "plain", lambda _: "/"),
    Page("news", Door.PORTAL, "plain", lambda _: "/news"),
    Page("contract: office", Door.PORTAL, "plain", lambda _: "/contract"),
    Page("contract: netNACCS terminals", Door.PORTAL, "plain", lambda _: "/contract/netnaccs"),
    Page("contract: billing", Door.PORTAL, "plain", lambda _: "/contract/billing"),
    Page("applications", Door.PORTAL, "plain", lambda _: "/applications"),
    Page("application", Door.PORTAL, "plain", lambda town: f"/applications/{town.receipt_number}"),
    Page("ID notice, masked", Door.PORTAL, "plain", lambda town: f"/applications/{town.receipt_number}/id-notice"),
    Page("certificates", Door.PORTAL, "plain", lambda _: "/certificates/"),
    Page("mails", Door.PORTAL, "plain", lambda _: "/mails/"),
    Page("users", Door.PORTAL, "plain", lambda _: "/users"),
    Page("center: menu", Door.CENTER, "plain", lambda _: "/"),
    Page("center: application", Door.CENTER, "plain", lambda town: f"/applications/{town.receipt_number}"),
    Page("center: terminal, with its audit rows", Door.CENTER, "plain", lambda town: f"/terminals/{town.terminal}"),
    Page("center: office", Door.CENTER, "plain", lambda town: f"/offices/{town.code}"),
    Page("center: all terminals", Door.CENTER, "search", lambda _: "/terminals/"),
    Page("center: terminals by name", Door.CENTER, "search", lambda town: f"/terminals/?q={town.terminal[:3]}"),
    Page("center: terminals by office", Door.CENTER, "search", lambda town: f"/terminals/?q={town.code}"),
    Page("center: terminals by state", Door.CENTER, "search", lambda _: "/terminals/?state=suspended"),
    Page("center: offices by code", Door.CENTER, "search", lambda town: f"/offices/?q={town.code[:2]}"),
    Page("center: offices by name", Door.CENTER, "search", lambda _: "/offices/?q=%E6%9D%B1%E4%BA%AC"),
    Page("center: applications", Door.CENTER, "search", lambda _: "/applications/?tab=all"),
    Page("center: all mails", Door.CENTER, "search", lambda _: "/mails/"),
    Page("center: mails by office", Door.CENTER, "search", lambda town: f"/mails/?office={town.code}"),
    Page("center: mails by receipt number", Door.CENTER, "search", lambda town: f"/mails/?number={town.receipt_number}"),
)


@dataclass(frozen=True)
class Doors:
    """Both doors as they run, and nginx before them."""

    folder: Path
    country: Country
    pids: dict[Door, int]
    front: int
    servers: Callable[[], Sequence[int]]

    def workers(self, door: Door) -> list[int]:
        """Return all processes whose CPU a page costs."""
        pid = self.pids[door]
        return [pid, *children(pid), self.front, *children(self.front), *self.servers()]

    def weights(self) -> dict[str, float]:
        """Return the private memory of a worker of each door in megabytes."""
        return {door.value: round(private_mb(children(pid)[-1]), 1) for door, pid in self.pids.items()}

    def ask(self, page: Page, cookies: Sequence[str], seconds: int, pace: int) -> dict[str, float]:
        """Ask for a page without thinking, and then at a pace."""
        address = f"https://localhost:{FRONTS[page.door]}"
        towns = [self.country.town(number * self.country.offices // USERS) for number in range(USERS)]
        paths = [page.address(town) for town in towns]
        status, octets = _fetched(f"{address}{paths[0]}", cookies[0])
        if status != 200:
            raise RuntimeError(f"{page.what} is answered with {status}")
        script = self.folder / "page.lua"
        _write(script, paths, cookies, FRONTS[page.door], "0")
        before = cpu_of(self.workers(page.door))
        count, p50, p99 = _asked(script, address, seconds)
        spent = cpu_of(self.workers(page.door)) - before
        _write(script, paths, cookies, FRONTS[page.door], f"math.random(0, {2_000 * USERS // pace})", beginnings=USERS)
        _, calm_p50, calm_p99 = _asked(script, address, 2 * seconds)
        return {
            "octets": octets,
            "pages_per_core_second": round(count / spent, 1),
            "cpu_ms": round(1_000 * spent / count, 2),
            "full_p50_ms": p50,
            "full_p99_ms": p99,
            "p50_ms": calm_p50,
            "p99_ms": calm_p99,
        }


def _write(
    script: Path, paths: Sequence[str], cookies: Sequence[str], front: int, delay: str, *, beginnings: int = 0
) -> None:  # fmt: skip
    quoted = [", ".join(f'"{one}"' for one in several) for several in (paths, cookies)]
    told = SCRIPT.format(paths=quoted[0], cookies=quoted[1], front=front, delay=delay, beginnings=beginnings)
    script.write_text(told, encoding="ascii")


def _asked(script: Path, address: str, seconds: int) -> tuple[int, float, float]:
    """Ask for some seconds; return how many answers there were, and the median and the 99th percentile in milliseconds."""
    command = ["wrk", "-t1", f"-c{USERS}", f"-d{seconds}", "--timeout", "60s", "--latency", "-s", str(script), address]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    count, p50, p99 = (re.search(form, told) for form in (r"(\d+) requests in", r"\n\s+50%\s+(\S+)", r"\n\s+99%\s+(\S+)"))
    if count is None or p50 is None or p99 is None or "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(told)
    return int(count[1]), _milliseconds(p50[1]), _milliseconds(p99[1])


def _milliseconds(told: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1_000.0), ("m", 60_000.0)):
        if told.endswith(unit):
            return round(float(told.removesuffix(unit)) * factor, 2)
    raise ValueError(told)


def _fetched(address: str, cookie: str = "") -> tuple[int, int]:
    """Return the status of a page that is not led away from, and its size."""
    context = ssl._create_unverified_context()  # noqa: S323, SLF001 (loopback)
    try:
        with urlopen(Request(address, headers={"Cookie": cookie}), timeout=60, context=context) as answer:  # noqa: S310
            is_led_away = answer.url != address
            return (303 if is_led_away else answer.status), len(answer.read())
    except OSError as error:
        if getattr(error, "code", 0) == 0:
            raise
        return int(error.code), 0  # type: ignore[attr-defined]


@contextmanager
def _open(folder: Path, country: Country, servers: Callable[[], Sequence[int]]) -> Iterator[Doors]:
    """Open both doors with nginx before them."""
    with _door(folder, Door.PORTAL) as portal, _door(folder, Door.CENTER) as center, _nginx(folder) as front:
        yield Doors(folder, country, {Door.PORTAL: portal, Door.CENTER: center}, front, servers)


@contextmanager
def _door(folder: Path, door: Door) -> Iterator[int]:
    name, address = door.value, f"http://127.0.0.1:{PORTS[door]}"
    own = {"BIND": f"127.0.0.1:{PORTS[door]}", "SCHEME": "http", "PUBLIC_URL": f"https://localhost:{FRONTS[door]}"}
    chosen = {f"TEGATA_{name.upper()}__{key}": value for key, value in own.items()}
    settings = dict(os.environ) | chosen | {"TEGATA_HOME": str(folder), "TEGATA_LOG_LEVEL": "error"}
    settings |= {"TEGATA_TRUSTED_PROXIES": "127.0.0.1/32"}
    with running([sys.executable, "-m", "server", "serve", name], lambda: _fetched(f"{address}/healthz"), settings) as pid:
        yield pid


@contextmanager
def _nginx(folder: Path) -> Iterator[int]:
    localhost_credentials(folder)
    servers = "".join(SERVER.format(door=f"{door}_door", port=PORTS[door], front=FRONTS[door]) for door in PORTS)
    conf = folder / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, servers=servers), encoding="ascii")
    ready = f"https://localhost:{FRONTS[Door.PORTAL]}/login"
    with running(["nginx", "-c", str(conf)], lambda: _fetched(ready)) as pid:
        yield pid


def run(folder: Path, url: str, servers: Callable[[], Sequence[int]], chosen: argparse.Namespace) -> dict[str, object]:
    """Measure on one database."""
    folder.mkdir()
    home = found_home(folder, url)
    country = settle(home.house, chosen.offices)
    return measured(folder, country, servers, chosen)


def measured(
    folder: Path, country: Country, servers: Callable[[], Sequence[int]], chosen: argparse.Namespace
) -> dict[str, object]:
    """Measure the doors of a home in which a country lives."""
    cookies = {door: [f"__Host-tegata-{door}={token}" for token in country.sessions(door, USERS)] for door in PORTS}
    country.house.database.dispose()
    found: dict[str, object] = {}
    with _open(folder, country, servers) as doors:
        fresh = doors.weights()
        for page in PAGES:
            if chosen.only in page.what:
                found[page.what] = {"kind": page.kind} | doors.ask(page, cookies[page.door], chosen.seconds, chosen.pace)
                sys.stdout.write(f"{page.what}: {found[page.what]}\n")
        used = doors.weights()
    starts = {door.value: min(_started(folder, door) for _ in range(chosen.times)) for door in PORTS}
    return {"pages": found, "private_mb_fresh": fresh, "private_mb": used, "first_answer_cpu_seconds": starts}


def _started(folder: Path, door: Door) -> float:
    with _door(folder, door) as pid:
        return round(sum(map(cpu, (pid, *children(pid)))), 3)


def main() -> None:
    """Measure on both databases and write bench/results/pages.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offices", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--pace", type=int, default=40, help="pages a second, below saturation")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    chosen = parser.parse_args()
    facts: dict[str, object] = {
        "offices": chosen.offices,
        "users": USERS,
        "paced_pages_a_second": chosen.pace,
        "target_ms": "plain: p50 15, p99 50; search: 200",
    }
    with tempfile.TemporaryDirectory(prefix="bench-pages-") as folder, private_server() as server:
        if chosen.database != "postgresql":
            facts["sqlite"] = run(Path(folder) / "a", f"sqlite:///{folder}/bench.db", list, chosen)
        if chosen.database != "sqlite":
            server.execute("CREATE DATABASE {}", "bench")
            master = int((server.folder / "cluster" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
            facts["postgresql"] = run(Path(folder) / "b", server.url("bench"), lambda: [master, *children(master)], chosen)
    measure.write("pages", facts)


if __name__ == "__main__":
    main()
