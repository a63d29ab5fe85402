"""The environment: the only module that reads it. Light, because the terminal's client starts with it on small machines."""

import os
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def variables() -> Mapping[str, str]:
    """Return the variables of the environment."""
    return os.environ


def language() -> Literal["ja", "en"]:
    """Return the language of the person at the command line: Japanese where the locale says so, else English."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ja" if locale.startswith("ja") else "en"


def proxy_for(url: str) -> str | None:
    """Return the proxy that HTTPS_PROXY and NO_PROXY, or a Windows' or macOS' settings, name for an address; no PAC files."""
    proxy = getproxies().get("https")
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not proxy or not host or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
