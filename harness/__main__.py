"""``python -m harness`` is ``authgate``."""

import sys

from harness.cli import main

sys.exit(main())
