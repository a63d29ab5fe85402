"""The retrieval page over a house, as server mounts it."""

from enrollment.protocols.page.door import RetrievalPage
from enrollment.windows_scripts import WindowsScripts
from tests.support.house import House
from webui.assets import read_assets
from webui.headers import HEADERS


def page_of(house: House, address: str) -> RetrievalPage:
    """Return the page of a retrieval door at an address."""
    scripts = WindowsScripts(address, house.root.pem.encode("ascii"))
    return RetrievalPage(house.redemption, scripts, HEADERS, read_assets())
