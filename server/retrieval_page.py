"""The retrieval door's page, in the look of the portal and under its headers, without any of the portal's code.

A door that signs loads no `webui`: its files are found where they lie, and only read.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from enrollment.protocols.page.door import RetrievalPage
from enrollment.redemption import Redemption
from enrollment.windows_scripts import WindowsScripts
from server.settings import Settings
from server.wiring import home_of


def page_of(settings: Settings, redemption: Redemption) -> RetrievalPage:
    """Return what the page is made of."""
    scripts = WindowsScripts(settings.retrieval.url, home_of(settings).root_bundle.read_bytes())
    page = RetrievalPage(redemption, scripts, shared_headers(), shared_files(), help_desk=settings.help_desk)
    return page if settings.service_name is None else replace(page, service_name=settings.service_name)


def shared_headers() -> Mapping[str, str]:
    """Return the headers of all pages' answers."""
    return tomllib.loads((_webui() / "headers.toml").read_text(encoding="utf-8"))


def shared_files() -> Mapping[str, bytes]:
    """Return the files that all pages share by their names."""
    return {path.name: path.read_bytes() for path in sorted((_webui() / "static").iterdir())}


def _webui() -> Path:
    """Return the package's folder; finding it does not import it."""
    spec = find_spec("webui")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("webui")
    return Path(spec.origin).parent
