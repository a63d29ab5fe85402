"""Where the judges are: Node's packages that `make judges` installs, the programs that run them."""

import shutil
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from tests.support.required import missing

FOLDER = Path(__file__).parent


def node_module(name: str) -> Path:
    """Return the folder of an installed package of Node's."""
    folder = FOLDER / "node_modules" / name
    if not folder.is_dir():
        missing(f"{name} (`make judges` installs it, with npm)")
    return folder


def node() -> str:
    """Return the Node that comes with Playwright: one version, whatever the machine has."""
    return compute_driver_executable()[0]


def program(name: str, package: str) -> str:
    """Return where a program is."""
    return shutil.which(name) or missing(f"{name} (Debian's package: {package})")
