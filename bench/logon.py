"""The logon check and the gateway's question, at the terminals door behind a proxy, beside the door's own static answer.

Plain HTTP on loopback as between a proxy and the door, certificates in the proxy's headers; wrk asks over 32 kept-alive
connections, for one good terminal. Rates are per core-second of all processes that answered, the database's among them.
Run as `python -m bench.logon [--times 5] [--seconds 3]`; needs Debian's wrk and PostgreSQL.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench import measure
from bench.ocsp import Case, children, fetched, private_mb, running
from tests.crash.homes import RealHome, found_home
from tests.support.house import SOURCE, new_request
from tests.support.postgres import private_server

DOOR = 19_096
ASK = """
wrk.method = "{method}"
wrk.headers["X-SSL-Client-Verify"] = "SUCCESS"
wrk.headers["X-SSL-Client-Cert"] = "{certificate}"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{body}'
"""


def run(folder: Path, url: str, servers: Callable[[], Sequence[int]], chosen: argparse.Namespace) -> dict[str, object]:
    """Measure on one database."""
    folder.mkdir()
    home = found_home(folder, url)
    cases = _cases(home, folder)
    bind = {"TEGATA_TERMINALS__BIND": f"127.0.0.1:{DOOR}", "TEGATA_TERMINALS__SCHEME": "http"}
    trusted = {"TEGATA_CERTIFICATE_PROXIES": "127.0.0.1/32", "TEGATA_LOG_LEVEL": "error"}
    settings = dict(os.environ) | {"TEGATA_HOME": str(folder)} | bind | trusted
    home.house.database.dispose()
    with running([sys.executable, "-m", "server", "serve", "terminals"], fetched(DOOR, "/healthz"), settings) as door:
        workers = [door, *children(door)]
        for round_ in range(chosen.times + 1):
            for case in cases:
                case.pids = [*workers, *(servers() if case.script else ())]
                case.ask(chosen.seconds)
                if not round_:  # the first is to warm up
                    case.rates.clear()
        memory = private_mb(workers[-1])
    rates = {case.what: round(case.rate) for case in cases}
    static = rates.pop("static answer")
    return {
        "static_answer": static,
        "rates": rates,
        "of_static": {what: round(rate / static, 2) for what, rate in rates.items()},
        "private_mb": round(memory, 1),
    }


def _cases(home: RealHome, folder: Path) -> list[Case]:
    [(terminal, codes)] = home.house.new_codes()
    der = home.house.redemption.redeem(codes, new_request().pem, SOURCE).certificate.der or b""
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    asked = {
        "gateway authorize": ("/gateway/authorize", "GET", ""),
        "logon check": ("/api/v1/logons", "POST", json.dumps({"terminal": terminal, "access_key": codes.access_key})),
    }
    cases = [Case("static answer", f"http://127.0.0.1:{DOOR}/healthz", [])]
    for what, (path, method, body) in asked.items():
        script = folder / f"{method}.lua"
        script.write_text(ASK.format(method=method, certificate=quote(pem, safe=""), body=body), encoding="ascii")
        cases.append(Case(what, f"http://127.0.0.1:{DOOR}{path}", [], script))
    return cases


def main() -> None:
    """Measure on both databases and write bench/results/logon.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    chosen = parser.parse_args()
    facts: dict[str, object] = {"unit": "requests per core-second of all processes that answered, the database's among them"}
    with tempfile.TemporaryDirectory(prefix="bench-logon-") as folder, private_server() as server:
        facts["sqlite"] = run(Path(folder) / "a", f"sqlite:///{folder}/bench.db", list, chosen)
        server.execute("CREATE DATABASE {}", "bench")
        master = int((server.folder / "cluster" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        facts["postgresql"] = run(Path(folder) / "b", server.url("bench"), lambda: [master, *children(master)], chosen)
    measure.write("logon", facts)


if __name__ == "__main__":
    main()
