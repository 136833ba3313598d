"""`python -m firstlight_dev COMMAND`: the commands of the Makefile where there is no make.

Needs nothing but a Python: the first command makes `.venv` and installs everything there.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (whatever Python a person has may start this)
    sys.exit("Firstlight needs Python 3.11 or newer; this is %d.%d." % sys.version_info[:2])  # noqa: UP031

from firstlight_dev.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
