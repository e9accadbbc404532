"""`python -m diffcourse`: see `diffcourse.cli`."""

import sys

from diffcourse.cli import main

if __name__ == "__main__":
    sys.exit(main())
