"""The Locust user, and how a Locust process finds its part.

Two ways in, one code path. ``authgate run`` starts one master and a worker process an arm, tells them by environment
variables which run and which arm they are, and lets them begin together. Plain ``locust -f`` takes scenario, targets
and arm from its options or the web UI's form, and begins when its test starts.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import User, constant, events
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from harness.config.load import load_scenario, load_targets
from harness.errors import AuthgateError, ConfigError
from harness.load import messages
from harness.load.master import Conductor
from harness.load.member import fire_requests, join_run
from harness.load.worker import ArmWorker
from harness.model.exit_codes import USAGE_ERROR
from harness.model.plan import make_plan
from harness.model.target import ARMS
from harness.record.folder import RunFolder

log = logging.getLogger(__name__)

HEAD_START_NS = 500_000_000
"""Between a plain test's preparation and its first arrival."""


class ClinicianUser(User):  # type: ignore[misc]
    """One seat: it logs clinicians in, one after the other, as the plan says."""

    abstract = True
    wait_time = constant(0)

    def log_in(self) -> None:
        """Serve as a seat until the plan is done."""
        while (worker := getattr(self.environment, "authgate_worker", None)) is None:
            gevent.sleep(0.1)  # a plain test's preparation is still going on
        worker.work()
        raise StopUser

    tasks = [log_in]  # noqa: RUF012 - Locust reads a list


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _add_options(parser: Any) -> None:
    """Scenario, targets and arm, as options and as fields of the web UI's form."""
    # Not in a group of their own: Locust's form shows only what is added to the parser itself.
    parser.add_argument("--scenario", default="scenarios/morning-rush.yaml", help="Scenario (YAML file)")
    parser.add_argument("--targets", default="targets.yaml", help="Targets (YAML file)")
    parser.add_argument("--arm", choices=list(ARMS), default="baseline", help="The arm of the targets to log in to")


@events.init.add_listener  # type: ignore[untyped-decorator]
def _take_part(environment: Any, runner: Any, **_: Any) -> None:
    """Take up the part that the environment variables name; otherwise wait for a plain test to start."""
    run = os.environ.get(messages.RUN_VARIABLE)
    if run is None:
        if not isinstance(runner, MasterRunner):
            environment.events.test_start.add_listener(_begin_plain_test)
        return
    folder = RunFolder.open(Path(run))
    if isinstance(runner, MasterRunner):
        environment.authgate_conductor = Conductor(runner, workers=len(folder.arms()))
    else:
        (arm,) = (arm for arm in ARMS if arm == os.environ[messages.ARM_VARIABLE])
        environment.authgate_worker = join_run(environment, folder, arm)


def _begin_plain_test(environment: Any, **_: Any) -> None:
    """Prepare the arm that the options name; an error ends the test with its message."""
    environment.authgate_worker = None
    options, runner = environment.parsed_options, environment.runner
    try:
        scenario, targets = load_scenario(Path(options.scenario)), load_targets(Path(options.targets))
        if options.arm not in targets.arms:
            raise ConfigError(f"{options.targets}: arms: expected {options.arm}, got {', '.join(targets.arms)}")
        distributed = isinstance(runner, WorkerRunner)
        worker = ArmWorker(
            options.arm,
            scenario,
            targets,
            make_plan(scenario, [options.arm]).of(options.arm),
            on_attempt=lambda attempt: fire_requests(environment, attempt),
            index=runner.worker_index if distributed else 0,
            of=options.expect_workers if distributed else 1,
        )
        first = worker.prepare()
    except AuthgateError as error:
        log.error("%s", error)
        # From another greenlet, since a runner ends the one that starts its test first. With the web UI there is
        # somebody who may correct the form; without it, nobody waits for anything.
        if environment.web_ui is None:
            environment.process_exit_code = USAGE_ERROR
            gevent.spawn(runner.quit)
        else:
            gevent.spawn(runner.stop)
        return
    if first.outcome.status != "ok":
        log.warning("%s: the first login ended %s %s", options.arm, first.outcome.status, first.outcome.code)
    worker.start(time.monotonic_ns() + HEAD_START_NS)
    environment.authgate_worker = worker
