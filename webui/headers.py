"""What stands on every answer of a door with pages."""

import tomllib
from pathlib import Path

HEADERS: dict[str, str] = tomllib.loads(Path(__file__).with_name("headers.toml").read_text(encoding="utf-8"))
