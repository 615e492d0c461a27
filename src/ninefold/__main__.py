"""`python -m ninefold` is the command line."""

import sys

from ninefold.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
