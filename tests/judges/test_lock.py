"""The lock of the judges says what is installed, and not from where."""

import json
import re
from pathlib import Path
from typing import Any

from tests.judges import lock

FOLDER = Path(__file__).parent
PACKAGES: dict[str, dict[str, Any]] = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
EXACT = re.compile(r"\d+\.\d+\.\d+")


def test_it_holds_hashes_and_no_addresses() -> None:
    for name in ("package.json", "package-lock.json"):
        assert "://" not in (FOLDER / name).read_text(encoding="utf-8")
    assert all(re.fullmatch(r"sha512-[\w+/]{86}==", package["integrity"]) for place, package in PACKAGES.items() if place)
    assert not any("resolved" in package for package in PACKAGES.values())


def test_nothing_that_it_names_is_whatever_is_latest() -> None:
    assert all(EXACT.fullmatch(version) for version in PACKAGES[""]["dependencies"].values())
    assert not any("latest" in package.get("dependencies", {}).values() for package in PACKAGES.values())


def test_a_package_finds_another_below_it_or_beside_it_or_above() -> None:
    beside: dict[str, dict[str, Any]] = {"node_modules/a": {"version": "1"}, "node_modules/@b/c": {"version": "2"}}
    nested = {**beside, "node_modules/@b/c/node_modules/a": {"version": "3"}}
    assert lock.version_beside(beside, "node_modules/@b/c", "a") == "1"
    assert lock.version_beside(nested, "node_modules/@b/c", "a") == "3"
    assert lock.version_beside(nested, "node_modules/@b/c/node_modules/a", "@b/c") == "2"
