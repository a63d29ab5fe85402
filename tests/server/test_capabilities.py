import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.test_commands import tegata
from tests.support.softhsm import CONFIGURATION, PIN, soft_token

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]

# Assembles one door in a process of its own, as who serves it does; tells which keys and secrets it opened, which rooms it
# loaded, and which threads go on beside its requests.
PROBE = """
import importlib, os, sys, threading
from pathlib import Path
home, door = Path(sys.argv[1]), sys.argv[2]
opened = set()
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        path = Path(arguments[0])
        if path.parent in (home / "keys", home / "secrets"):
            opened.add(path.name)
sys.addaudithook(note)
from server import settings
module = importlib.import_module("server.apps." + door)
chosen = settings.load(home)
if door == "jobs":
    module.all_jobs(chosen, module.database_of(chosen))
else:
    for begin in module.assemble(chosen).beside:
        begin()
print(" ".join(sorted(opened)))
modules = list(sys.modules)  # at one moment: what goes on beside may be loading others
print(" ".join(sorted({name.split(".")[0] for name in modules} | {name for name in modules if name.startswith("ca.")})))
print(" ".join(sorted({thread.name for thread in threading.enumerate()})), flush=True)
os._exit(0)  # without waiting for what goes on beside
"""
MAY_OPEN = {
    # The portal shows codes; it signs nothing.
    # Both doors with pages check the codes of people's authenticator apps.
    "portal": {"keys_passphrase", "codes.key", "factors_key"},
    # The retrieval door looks codes up, opens them for CMP's MAC, signs under the issuing CA and CMP's answers.
    "retrieval": {"keys_passphrase", "code_hash_key", "codes.key", "issuing-1.key", "cmp.key", "scep.key"},
    "plain": {"keys_passphrase", "code_hash_key", "codes.key", "issuing-1.key", "cmp.key", "scep.key"},
    # The center makes codes and can not read them.
    "center": {"code_hash_key", "codes.pub", "factors_key"},
    # The terminals door compares access keys and signs renewals.
    "terminals": {"keys_passphrase", "code_hash_key", "issuing-1.key"},
    "status": {"keys_passphrase", "ocsp.key", "timestamp.key"},
    "jobs": {"keys_passphrase", "issuing-1.key", "checkpoint.key", "gateway.key"},
}
SIGNERS = {"retrieval", "plain", "terminals", "status", "jobs"}
# The threads that go on beside the requests; that of the batches begins another one, sooner or later.
BESIDE = {"retrieval": {"batches"}, "status": {"ahead", "responder"}}
STRANGERS = {
    # What founds and renews is not for doors to load, and would take them a tenth of a second.
    "status": {"registry", "enrollment", "webui", "ca.ceremony", "ca.renewal", "ca.profile_file"},
    "retrieval": {"webui"},
    "terminals": {"webui"},
    "plain": {"webui"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home for real work."""
    path = tmp_path_factory.mktemp("home") / "home"
    assert tegata(path, "init").returncode == 0
    return path


@pytest.mark.parametrize("door", sorted(MAY_OPEN))
def test_a_process_opens_only_the_keys_that_are_its(home: Path, door: str) -> None:
    command = [sys.executable, "-c", PROBE, str(home), door]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert set(told[0].split()) == MAY_OPEN[door]
    assert not set(told[1].split()) & STRANGERS.get(door, set())
    assert set(told[2].split()) - {"batch-retrieval"} == {"MainThread"} | BESIDE.get(door, set())


@pytest.mark.parametrize("door", sorted(MAY_OPEN))
def test_with_keys_in_a_token_only_those_who_sign_read_its_pin(
    home_with_token: tuple[Path, dict[str, str]], door: str
) -> None:  # fmt: skip
    home, settings = home_with_token
    command = [sys.executable, "-c", PROBE, str(home), door]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | settings)
    opens_software = door not in SIGNERS or "codes.key" in MAY_OPEN[door]
    in_software = {"keys_passphrase", "codes.key", "codes.pub"} if opens_software else set()
    in_software |= {"code_hash_key", "factors_key"}
    expected = MAY_OPEN[door] & in_software | ({"token_pin"} if door in SIGNERS else set())
    assert set(told.stdout.splitlines()[0].split()) == expected


@pytest.fixture(scope="module")
def home_with_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Make a home for real work with its keys in a token; return it and the settings that say so."""
    folder = tmp_path_factory.mktemp("with-token")
    (folder / "home" / "secrets").mkdir(parents=True)
    (folder / "home" / "secrets" / "token_pin").touch(mode=0o600)
    (folder / "home" / "secrets" / "token_pin").write_text(PIN, encoding="ascii")
    with soft_token(folder) as soft:
        settings = {"TEGATA_KEYS__CUSTODY": soft.uri, CONFIGURATION: str(soft.configuration)}
        made = tegata(folder / "home", "init", **settings)
        assert made.returncode == 0, made.stderr
        yield folder / "home", settings
