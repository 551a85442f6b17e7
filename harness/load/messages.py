"""What the processes of a run, or of a plain test, say to each other: names only, so that everybody may import them.

Which of them go to the master and which to the workers is fixed, since a process that is both hears them all.
"""

RUN_VARIABLE = "AUTHGATE_RUN"
"""Environment variable: the run's folder."""
ARM_VARIABLE = "AUTHGATE_ARM"
"""Environment variable of a worker: its arm."""

# From a worker to the master.
HERE = "authgate-here"
"""Answers CALL; data: test."""
READY = "authgate-ready"
"""Prepared; data: arm, outcome and steps of the first login, its protocol; of a plain test also test, digest, arrivals
and journal."""
FAILED = "authgate-failed"
"""Can't prepare, or can't go on; data: arm, message; of a plain test also test."""
DENIED = "authgate-denied"
"""data: the user whose password is never to be sent again."""
PROGRESS = "authgate-progress"
"""Of a plain test; data: test, ended, denied, failed, waited, done."""
CLOSED = "authgate-closed"
"""Of a plain test: nothing more comes, and the journals are closed; data: test."""

# From the master to the workers.
CALL = "authgate-call"
"""Who is there? Data: test."""
PART = "authgate-part"
"""A worker's share of a plain test: see harness.load.asked."""
GO = "authgate-go"
"""data: the run's origin in monotonic ns; of a plain test also test and boot, the machine whose clock that is."""
HALT = "authgate-halt"
"""Of a plain test: send nothing more, and close the journals; data: test."""
WITHHOLD = "authgate-withhold"
"""data: the user whose password is never to be sent again."""
