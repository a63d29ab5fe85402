"""What the bulletin has besides notices: codes and manuals, read from their files once, when somebody looks at one of them."""

from webui.bulletin.codes import by_code, read_groups
from webui.bulletin.manuals import read_manuals

GROUPS = read_groups()
CODES = by_code(GROUPS)
MANUALS = read_manuals()
