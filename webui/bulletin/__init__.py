"""掲示板: public pages on the portal's door, for everyone and without log-in. No cookie, no form token, nothing of anybody.

Its pages know neither portal nor center. An address holds its language (`/bulletin/…`, `/bulletin/en/…`), so that caches
between us and the reader may keep each page.
"""

from webui.bulletin.pages import blueprint
from webui.bulletin.parts import BulletinParts, equip
from webui.bulletin.roots import Root, read_roots

__all__ = ["BulletinParts", "Root", "blueprint", "equip", "read_roots"]
