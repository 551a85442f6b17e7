"""``python -m harness`` is ``authgate``."""

from harness.cli.main import run_main

run_main()
