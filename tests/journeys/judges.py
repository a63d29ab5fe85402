"""Other people's programs that judge what a terminal was given."""

import subprocess
from datetime import datetime
from pathlib import Path

from tests.support.demo import Demo


def verify(demo: Demo, certificate: Path, at: datetime, *, crl: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Let openssl judge the chain root → issuing → terminal at an instant, with the CRL where one is given."""
    issuing = demo.root.with_name("issuing-1.pem")
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-attime", str(int(at.timestamp()))]
    command += ["-CAfile", str(demo.root), "-untrusted", str(issuing)]
    command += ["-crl_check", "-CRLfile", str(crl)] if crl else []
    return subprocess.run([*command, str(certificate)], text=True, capture_output=True, check=False)


def ocsp_status(demo: Demo, certificate: Path, at: datetime) -> str:
    """Ask the responder through openssl and return its word: good, revoked or unknown. The response must verify."""
    issuing = demo.root.with_name("issuing-1.pem")
    command = ["openssl", "ocsp", "-issuer", str(issuing), "-CAfile", str(demo.root), "-cert", str(certificate)]
    # The demo's clock may be days ahead of this machine's: the chain is judged at the demo's time, the answer's age widely.
    command += ["-attime", str(int(at.timestamp())), "-validity_period", str(30 * 86_400)]
    command += ["-url", f"{demo.facts['status']}/ocsp"]
    answer = subprocess.run(command, text=True, capture_output=True, check=True)
    assert "Response verify OK" in answer.stderr
    return answer.stdout.partition(": ")[2].split()[0]


def fetch_crl(demo: Demo, folder: Path) -> Path:
    """Fetch the issuing CA's CRL as it is served, and return it as PEM."""
    der, pem = folder / "issuing-1.crl", folder / "issuing-1-crl.pem"
    url = f"{demo.facts['status']}/crl/issuing-1.crl"
    subprocess.run(["curl", "--silent", "--show-error", "--fail", "--output", str(der), url], check=True)
    command = ["openssl", "crl", "-inform", "DER", "-in", str(der), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    return pem
