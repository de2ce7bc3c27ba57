"""`python -m absint` is the command `absint`."""

from __future__ import annotations

import sys

from absint.cli import main

if __name__ == "__main__":
    sys.exit(main())
