import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.schema import ROOMS, ROOT

# One forbidden import for each contract of pyproject.toml, and the module into which it is planted.
PLANTED = {
    "The rooms: server > webui > enrollment > ca or registry > keys or kernel": ("ca/revocation.py", "registry.states"),
    "The registry knows no keys": ("registry/states.py", "keys.codes"),
    "Portal and center are strangers": ("webui/portal/app.py", "webui.center.app"),
    "The protocols are strangers to each other": ("enrollment/protocols/retrieval.py", "enrollment.protocols.terminals"),
    "Keys know no databases and no doors": ("keys/custody.py", "sqlalchemy"),
    "No cycles inside a room": ("kernel/errors.py", "kernel.database"),
    "Flask only where there are doors": ("ca/crl.py", "flask"),
    "Only enrollment and server reach the authority": ("webui/guard.py", "ca.authority"),
    "Only server and the ceremony open keys": ("enrollment/redemption.py", "keys.custody"),
    "The pages know no keys": ("webui/guard.py", "keys.codes"),
    "No door carries the linter": ("enrollment/redemption.py", "pkilint"),
    "The authority's tables are the authority's": ("enrollment/redemption.py", "ca.tables"),
    "The registry's tables are the registry's": ("enrollment/redemption.py", "registry.tables"),
    "Enrollment's tables are enrollment's": ("webui/guard.py", "enrollment.tables"),
    "The pages' tables are the pages'": ("server/mail.py", "webui.tables"),
    "All tables together are seen by migrations only": ("server/mail.py", "migrations.schema"),
    "Only server runs migrations": ("kernel/clock.py", "migrations.upgrade"),
}


def _names() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]


def _verdicts(folder: Path) -> dict[str, str]:
    program = Path(sys.executable).with_name("lint-imports")
    output = subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False).stdout
    lines = [line.rpartition(" (")[0] or line for line in output.splitlines()]
    return {name: line.rpartition(" ")[2] for name in _names() for line in lines if line.startswith(f"{name} ")}


def test_every_contract_finds_the_import_that_it_forbids(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for room in (*ROOMS, "migrations"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__", "static", "templates"))
    for module, planted in PLANTED.values():
        with (tmp_path / module).open("a", encoding="utf-8") as file:
            file.write(f"\nimport {planted}\n")
    assert _verdicts(tmp_path) == dict.fromkeys(_names(), "BROKEN")
