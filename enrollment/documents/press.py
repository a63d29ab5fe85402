"""Setting one document: a program of its own, so that a door need not hold the typesetter and its fonts in memory.

python -m enrollment.documents.press < {"at": …, "facts": …}    > the PDF
"""

import json
import sys
from datetime import datetime

from enrollment.documents.confinement import confine
from enrollment.documents.typesetting import typeset


def main() -> None:
    """Set one document and end."""
    confine()
    asked = json.load(sys.stdin.buffer)
    sys.stdout.buffer.write(typeset(asked["facts"], datetime.fromisoformat(asked["at"])))


if __name__ == "__main__":
    main()
