"""The Locust user, and how a Locust process finds its part.

Two ways in, one code path. ``authgate run`` starts a master and the workers of each arm; environment variables tell
the master which run it conducts (``harness.load.master``), and a worker which arm it is for. Plain ``locust -f`` takes
scenario, targets and arm from its options or the web UI's form, and its master, or the process that is master and
worker in one, directs the test (``harness.load.director``). Both masters share a plan out by ``harness.load.crew``, and
a worker is the same in both (``harness.load.part``).
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
from locust import User, constant, events
from locust.runners import MasterRunner, WorkerRunner

from harness.config import shipped
from harness.config.load import load_scenario
from harness.errors import AuthgateError
from harness.load import messages
from harness.model.target import ARMS
from harness.record.folder import RunFolder

LOOPBACK = "127.0.0.1"
LAB_TARGETS = Path(".authgate-lab/targets.yaml")
"""Where ``authgate lab up`` writes them."""


GATE_FIRST = "AUTHGATE_GATE_FIRST"
"""Environment variable, set by the gate's locustfile: its web UI opens with the gate's page."""


class ClinicianUser(User):  # type: ignore[misc]
    """Stands for a seat in Locust's counts; the seats themselves are greenlets of a worker (``harness.load.part``)."""

    abstract = True
    wait_time = constant(0)

    def log_in(self) -> None:
        """Do nothing until the test ends."""
        while True:
            gevent.sleep(3600)

    tasks = [log_in]  # noqa: RUF012 - Locust reads a list


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _add_options(parser: Any) -> None:
    """Scenario, targets and arm, as options and as fields of the web UI's form; nothing listens beyond loopback."""
    # Not in a group of their own: Locust's form shows only what is added to the parser itself.
    parser.add_argument("--scenario", default="morning-rush", help="a shipped name, or a YAML file")
    targets = LAB_TARGETS if LAB_TARGETS.exists() else Path("targets.yaml")
    parser.add_argument("--targets", default=str(targets), help="a YAML file that says where to log in")
    parser.add_argument("--arm", choices=list(ARMS), default="baseline", help="of the targets")
    parser.add_argument("--seats", default="", help="logins under way at once; empty: as the scenario says")
    parser.add_argument("--results", default="results", help="folder for runs", include_in_web_ui=False)
    parser.add_argument(
        "--web-password-file",
        default="",
        help="file (mode 0600) of the web UI's password; or AUTHGATE_WEB_PASSWORD in the environment",
        env_var="AUTHGATE_WEB_PASSWORD_FILE",
        include_in_web_ui=False,
    )
    parser.set_defaults(web_host=LOOPBACK, master_bind_host=LOOPBACK)
    _encrypt()
    _import_parts()


def _encrypt() -> None:
    """Before Locust makes a socket: let it be encrypted where the environment names a key's file."""
    if (key := os.environ.get("AUTHGATE_KEY_FILE")) is not None:
        from harness.load.wire import encrypt_locust

        encrypt_locust(Path(key))


def _import_parts() -> None:
    """Before it connects, or --processes forks: who has connected must not be silent for seconds.

    A run's processes start the sooner without the others' parts.
    """
    if not _in_a_run():
        from harness.load import director, follower  # noqa: F401
    elif messages.ARM_VARIABLE in os.environ:
        from harness.load import follower  # noqa: F401
    else:
        from harness.load import master  # noqa: F401


def _in_a_run() -> bool:
    """Whether this process was started for a run: as its master, or as a worker of an arm, or of any."""
    return messages.RUN_VARIABLE in os.environ or messages.ARM_VARIABLE in os.environ


@events.init.add_listener  # type: ignore[untyped-decorator]
def _take_part(environment: Any, runner: Any, **_: Any) -> None:
    """Take up the part that the environment variables name; otherwise wait for a plain test to start."""
    if not _in_a_run():
        _take_part_in_plain_tests(environment, runner)
        return
    if isinstance(runner, MasterRunner):
        folder = RunFolder.open(Path(os.environ[messages.RUN_VARIABLE]))
        if folder.manifest().get("examine"):
            from harness.load.examiner import Examiner

            environment.authgate_examiner = Examiner(environment, folder)
        else:
            from harness.load.master import Conductor

            environment.authgate_conductor = Conductor(environment, folder)
    else:
        from harness.load.follower import Worker

        environment.authgate_part = Worker(environment)


def _take_part_in_plain_tests(environment: Any, runner: Any) -> None:
    from harness.load.director import Director
    from harness.load.follower import Worker

    if not isinstance(runner, MasterRunner):
        environment.authgate_part = Worker(environment)
    if isinstance(runner, WorkerRunner):
        return
    environment.authgate_director = Director(environment)
    options = environment.parsed_options
    if options.num_users is None:
        with suppress(AuthgateError):  # the test says what is wrong when it starts
            options.num_users = load_scenario(shipped.find(options.scenario, shipped.SCENARIOS)).seats
    options.spawn_rate = options.spawn_rate or options.num_users
    logging.getLogger("locust.runners").addFilter(lambda record: "spawn rate is very high" not in record.getMessage())
    if environment.web_ui is not None:
        from harness.webui.pages import serve

        serve(environment, gate_first=GATE_FIRST in os.environ)
