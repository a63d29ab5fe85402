"""The customers' door."""

from webui.portal.app import create_app
from webui.portal.parts import PortalParts

__all__ = ["PortalParts", "create_app"]
