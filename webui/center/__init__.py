"""The staff's door."""

from webui.center.app import create_app
from webui.center.parts import CenterParts

__all__ = ["CenterParts", "create_app"]
