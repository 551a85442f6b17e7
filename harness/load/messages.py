"""What the processes of a run, or of a plain test, say to each other: names only, so that everybody may import them.

Which of them go to the master and which to the workers is fixed, since a process that is both hears them all.
"""

RUN_VARIABLE = "AUTHGATE_RUN"
"""Environment variable: the run's folder."""
ARM_VARIABLE = "AUTHGATE_ARM"
"""Environment variable of a worker: its arm."""

WORKER_VARIABLE = "AUTHGATE_WORKER"
"""Environment variable of a worker: which of its arm's, from 0."""

SEND_VARIABLE = "AUTHGATE_SEND_ACCOUNTS"
"""Environment variable of a master: set where it sends its workers the credentials."""

# From a worker to the master.
HERE = "authgate-here"
"""Answers CALL; data: test, version, and which arm and worker it is for, where its environment says so."""
READY = "authgate-ready"
"""Prepared; data: test, arm, outcome and steps of the first login, its protocol, digests of plan and targets, arrivals
and journal."""
FAILED = "authgate-failed"
"""Can't prepare, or can't go on; data: test, arm, message."""
DENIED = "authgate-denied"
"""data: test, the user whose password is never to be sent again, and the key of the denial, where it is remembered."""
PROGRESS = "authgate-progress"
"""How far its share has come, and once a second that it is there; data: test, ended, denied, failed, waited, done."""
PIECE = "authgate-piece"
"""A piece of a journal that lies on the worker's machine; data: test, kind, place (bytes from its start), data."""
ASK_TIME = "authgate-ask-time"
"""data: sent, the worker's monotonic ns."""
EXAMINED = "authgate-examined"
"""What a worker found of its machine and of the arms, before a run; data: test, checks, clock."""
CLOSED = "authgate-closed"
"""Nothing more comes, and the journals are closed; data: test."""

# From the master to the workers.
CALL = "authgate-call"
"""Who is there? Data: test."""
PART = "authgate-part"
"""A worker's share: see harness.load.asked; besides, the arms of the plan, where the journals go, whose clock the
master's is, and the denials that it remembers."""
GO = "authgate-go"
"""data: test, and the run's origin in the master's monotonic ns."""
HALT = "authgate-halt"
"""Send nothing more, and close the journals; data: test."""
WITHHOLD = "authgate-withhold"
"""data: test, and the user whose password is never to be sent again."""
HAVE = "authgate-have"
"""How many bytes of a journal are here; data: test, kind, size."""
TIME = "authgate-time"
"""Answers ASK_TIME; data: sent, as it was asked, and told, the master's monotonic ns."""
EXAMINE = "authgate-examine"
"""Look at your machine and at the arms; data: test, scenario, targets, source, clock, and accounts by arm."""
REFUSED = "authgate-refused"
"""This worker takes no part; data: why."""
