"""What is loaded when: each door without what few ask for, and that when somebody does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from server import loading
from server.settings import DOORS, OPTIONAL_DOORS
from tests.support.schema import ROOT

pytestmark = pytest.mark.slow

# What each is large by, and what only others need.
HEAVY = {
    "argon2", "asn1crypto.core", "babel", "email_validator", "icalendar", "pkcs11", "pkilint", "pyasn1", "pyhanko", "pyotp",
    "segno", "typst", "webauthn",
}  # fmt: skip
OF_PAGES = {"argon2", "registry.applications"}
STARTED = """
import importlib, json, sys
from server import cli, loading
command = cli.tegata.get_command(None, "serve")
importlib.import_module("server.apps." + sys.argv[1])
stand_ins = {name for name, module in sys.modules.items() if isinstance(module, loading.Deferred)}
print(json.dumps([sorted(stand_ins), sorted(set(sys.modules) - stand_ins)]))
"""
HELPED = """
import sys
from server import cli
try:
    cli.tegata.main(["--help"])
finally:
    print(*sys.modules)
"""
# Two threads and more, which want the same at one moment.
TOGETHER = """
import sys, threading
from server import loading
loading.defer(["later"])
import later
assert isinstance(later, loading.Deferred) and not hasattr(later, "__file__")
ready, found = threading.Barrier(8), []
def take():
    ready.wait()
    found.append(later.VALUE)
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(set(map(id, found))), later.VALUE is sys.modules["later"].VALUE, isinstance(sys.modules["later"], loading.Deferred))
"""


def told_by(code: str, *arguments: str, path: Path = ROOT) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{path}", "PYTHONWARNINGS": "error::sqlalchemy.exc.SAWarning"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("door", [*DOORS, *OPTIONAL_DOORS])
def test_a_door_starts_without_what_few_ask_for(door: str) -> None:
    stand_ins, loaded = json.loads(told_by(STARTED, door))
    allowed = OF_PAGES if door in {"portal", "center"} else set()
    assert set(loading.DEFERRED) - set(stand_ins) - allowed == set()
    assert HEAVY & set(loaded) - allowed == set()


def test_the_help_loads_no_command() -> None:
    modules = set(told_by(HELPED).splitlines()[-1].split())
    assert "server.cli" in modules
    assert [name for name in modules if name.startswith(("server.commands", "sqlalchemy", "pydantic", "flask"))] == []


def test_what_is_deferred_is_loaded_once_by_whoever_comes_first(tmp_path: Path) -> None:
    (tmp_path / "later.py").write_text("import time\ntime.sleep(0.2)\nVALUE = object()\nprint('loaded')\n")
    assert told_by(TOGETHER, path=tmp_path).splitlines() == ["loaded", "1 True False"]


@pytest.mark.parametrize(
    "first", ["from parcel.part import INSIDE", "import parcel.part", "import parcel.deep.other, parcel.part"]
)
def test_what_is_below_a_deferred_package_is_loaded_once(tmp_path: Path, first: str) -> None:
    (tmp_path / "parcel" / "deep").mkdir(parents=True)
    (tmp_path / "parcel" / "__init__.py").write_text("print('parcel')\nfrom parcel.part import INSIDE\n")
    (tmp_path / "parcel" / "part.py").write_text("print('part')\nclass INSIDE: pass\n")
    (tmp_path / "parcel" / "deep" / "__init__.py").write_text("print('deep')\n")
    (tmp_path / "parcel" / "deep" / "other.py").write_text("print('other')\nfrom parcel import part\n")
    code = f"""
from server import loading
loading.defer(["parcel"])
import parcel
stand_in = parcel
{first}
import parcel.deep.other, sys
import parcel.part as part
from parcel.part import INSIDE
assert part is sys.modules["parcel.part"] and INSIDE is part.INSIDE is stand_in.INSIDE is sys.modules["parcel"].INSIDE
assert part.__spec__.origin == part.__file__ and part.__spec__.name == "parcel.part"
assert stand_in.deep.other is sys.modules["parcel.deep.other"]
"""
    assert sorted(told_by(code, path=tmp_path).split()) == ["deep", "other", "parcel", "part"]


def test_a_deferred_package_of_ours_can_be_had_by_its_parts() -> None:
    code = """
from server import loading
loading.defer()
import migrations.schema
from webauthn.helpers import structs
import webauthn.helpers.structs as same, webauthn
from registry import applications
asking = webauthn.generate_registration_options.__globals__
assert structs is same and structs.ResidentKeyRequirement is asking["ResidentKeyRequirement"]
print(len(migrations.schema.SCHEMA.tables) > 70, applications.Review.__module__)
"""
    assert told_by(code).split() == ["True", "registry.applications.review"]


def test_what_can_not_be_loaded_is_told_each_time(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise ValueError('broken')\n")
    code = """
from server import loading
loading.defer(["broken"])
import broken
for _ in range(2):
    try:
        broken.name
    except ValueError as error:
        print(error)
"""
    assert told_by(code, path=tmp_path).splitlines() == ["broken", "broken"]
