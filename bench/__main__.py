"""Run all measurements, or those that are named: `python -m bench crl revocation`."""

import importlib
import pkgutil
import sys
from pathlib import Path

# What is here and is no measurement.
PARTS = {"__main__", "country", "measure", "publishing", "redemptions"}


def main() -> None:
    """Run each module's `main`."""
    present = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.name not in PARTS]
    chosen, sys.argv[1:] = sys.argv[1:] or present, []
    for name in chosen:
        if name not in present:
            sys.exit(f"there is no measurement {name}; there are {', '.join(present)}")
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
