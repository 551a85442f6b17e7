"""``python -m harness`` is ``authgate``."""

import sys

from harness.cli.main import main

sys.exit(main())
