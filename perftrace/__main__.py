"""`python -m perftrace`."""

import sys

from perftrace.cli import main

if __name__ == "__main__":
    sys.exit(main())
