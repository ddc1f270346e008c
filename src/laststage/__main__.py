"""The program: `laststage`, or `python -m laststage`."""

import sys

from laststage.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
