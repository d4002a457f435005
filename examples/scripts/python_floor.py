"""Stops with one plain line on a Python that is too old for these scripts.

The scripts import this module before any other module of theirs, and this file, like theirs, has only syntax
that Python 3.6 can read: otherwise an old Python would show a SyntaxError and not this line.
"""

import sys

# The oldest Python that these scripts are tested with; RHEL 8 and Ubuntu 20.04 start an older one by default.
FLOOR = (3, 9)

if sys.version_info[:2] < FLOOR:
    wanted, found = ".".join(map(str, FLOOR)), ".".join(map(str, sys.version_info[:2]))
    remedy = "Use ubuntu-22.04 or newer, or put actions/setup-python before this step."
    print(f"::error::These scripts need Python {wanted} or newer; python3 is {found}. {remedy}")
    sys.exit(1)
