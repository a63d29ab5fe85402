"""The customers' door."""

from webui.portal.app import PortalParts, create_app

__all__ = ["PortalParts", "create_app"]
