"""Every table of every room, for databases that tests make."""

import importlib
from pathlib import Path

from sqlalchemy import MetaData

from kernel.database import Base

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kernel", "keys", "ca", "registry", "enrollment", "webui", "server")


def modules_with_tables() -> list[str]:
    """Return the dotted names of the modules in which a table is declared."""
    files = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    declaring = [file for file in files if "__tablename__ =" in file.read_text(encoding="utf-8")]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in declaring]


def whole_schema() -> MetaData:
    """Import all tables and return their metadata."""
    for module in modules_with_tables():
        importlib.import_module(module)
    return Base.metadata
