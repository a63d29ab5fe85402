"""testssl.sh looks at a door's TLS, by the root that clients trust: nothing above LOW."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from tests.interop.programs import Runner
from tests.support.open_doors import OpenDoors

# Protocols, ciphers, forward secrecy, preferences, certificate, chain. Its list of named attacks takes minutes, and all of them
# need what is ruled out by these.
LOOKS = ("--protocols", "--std", "--fs", "--server-preference", "--server-defaults")
# What it says of itself, and of the machine it runs on.
OF_ITS_OWN = {"engine_problem", "scanTime", "old_fixed"}
HARMLESS = {"OK", "INFO", "LOW", "DEBUG"}


# testssl leaves the line before a ticket of TLS 1.3 has come when the machine is slow, and takes its own empty file for our
# fault.
NOT_LOOKED = "check failed because of connect problem"
LOOKS_AGAIN = 3

Findings = dict[str, tuple[str, str]]


def test_testssl_finds_nothing_above_low(doors: OpenDoors, run: Runner, tmp_path: Path) -> None:
    findings = _found(doors, run, tmp_path / "found-0.json")
    for again in range(1, LOOKS_AGAIN):
        if all(said != NOT_LOOKED for _severity, said in findings.values()):
            break
        findings = _found(doors, run, tmp_path / f"found-{again}.json")
    # It must have looked, and seen what is there.
    assert findings["TLS1_3"][1].startswith("offered"), findings
    assert findings["cert_chain_of_trust"][0] == "OK"
    above = {name: said for name, said in findings.items() if said[0] not in HARMLESS and name not in OF_ITS_OWN}
    assert above == {}


def _found(doors: OpenDoors, run: Runner, file: Path) -> Findings:
    options = ("--quiet", "--color", "0", "--warnings", "off", "--ip", "one", "--add-ca", str(doors.root))
    run("testssl", *options, *LOOKS, "--jsonfile", str(file), urlsplit(doors.retrieval).netloc)
    return {one["id"]: (one["severity"], one["finding"]) for one in json.loads(file.read_text(encoding="utf-8"))}
