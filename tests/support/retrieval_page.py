"""The retrieval page over a house, as server mounts it."""

from enrollment.protocols.page.door import RetrievalPage
from enrollment.windows_scripts import WindowsScripts
from server.retrieval_page import shared_files, shared_headers
from tests.support.house import House


def page_of(house: House, address: str) -> RetrievalPage:
    """Return the page of a retrieval door at an address."""
    scripts = WindowsScripts(address, house.root.pem.encode("ascii"))
    return RetrievalPage(house.redemption, scripts, shared_headers(), shared_files())
