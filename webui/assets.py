"""Static files, found under an address that holds their content's hash, so that browsers may keep them for ever."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Asset:
    """One static file as it is served."""

    content: bytes
    media_type: str
    digest: str


def read_assets(folder: Path = FOLDER) -> Mapping[str, Asset]:
    """Read all static files once; they are few and small."""
    return {path.name: _read(path) for path in sorted(folder.iterdir()) if path.is_file()}


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return Asset(content, media_type, hashlib.sha256(content).hexdigest()[:16])
