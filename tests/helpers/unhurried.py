"""A command at the lowest priority, in whatever time others leave: ``python -m tests.helpers.unhurried COMMAND …``.

Linux shares the cores among sessions first and heeds priorities only within one (sched(7), autogroup), so that the
command gets a session of its own, and that the lowest priority too. What it says is told whole, at its end, since
others talk meanwhile.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.system.process import Family

LOWEST = 19


def main(argv: Sequence[str]) -> int:
    """Run the command to its end; its exit code."""
    with tempfile.NamedTemporaryFile() as kept:
        said = Path(kept.name)
        family = Family()
        try:
            child = family.spawn(argv, os.environ, said)
            os.setpriority(os.PRIO_PROCESS, child.pid, LOWEST)
            with suppress(OSError):  # a kernel without it needs none
                Path(f"/proc/{child.pid}/autogroup").write_text(str(LOWEST))
            return child.wait()
        finally:
            family.close()
            sys.stdout.write(said.read_text(encoding="utf-8", errors="replace"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
