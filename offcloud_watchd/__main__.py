"""``python -m offcloud_watchd`` is the ``offcloud-watchd`` command."""

import sys

from offcloud_watchd.cli import main

if __name__ == "__main__":
    sys.exit(main())
