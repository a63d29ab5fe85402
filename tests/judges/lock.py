"""Make npm's lock ours: versions and hashes only.

Addresses go (of people who collect money; npm itself leaves out those of packages when asked to), and where a package wants
another one's "latest" version, the one that is locked is meant: what was latest elsewhere later is no fault of the lock.
"""

import json
from pathlib import Path
from typing import Any

LOCK = Path("package-lock.json")


def main() -> None:
    """Write the lock anew; raises KeyError for a package that is wanted and not there."""
    lock: dict[str, Any] = json.loads(LOCK.read_text(encoding="utf-8"))
    packages: dict[str, dict[str, Any]] = lock["packages"]
    for place, package in packages.items():
        package.pop("funding", None)
        package.pop("resolved", None)
        wanted: dict[str, str] = package.get("dependencies", {})
        wanted |= {name: version_beside(packages, place, name) for name, version in wanted.items() if version == "latest"}
    LOCK.write_text(json.dumps(lock, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def version_beside(packages: dict[str, dict[str, Any]], place: str, name: str) -> str:
    """Return the version of the package that one at a place finds by a name: below it, else beside it, else above."""
    while (found := packages.get(f"{place}/node_modules/{name}".lstrip("/"))) is None and place:
        place = place.rpartition("node_modules/")[0].rstrip("/")
    if found is None:
        raise KeyError(name)
    version: str = found["version"]
    return version


if __name__ == "__main__":
    main()
