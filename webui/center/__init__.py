"""The staff's door."""

from webui.center.app import CenterParts, create_app

__all__ = ["CenterParts", "create_app"]
