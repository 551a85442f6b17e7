"""Telemetry of a run: of one in its folder at once, or, as a process of its own, of one that goes on.

``python -m harness.telemetry.export FOLDER URL [accounts]`` follows a run until its manifest says that it is over,
and prints what came of it as a line of JSON. It runs at the lowest priority and reads files alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from harness.errors import AuthgateError
from harness.model.plan import NS
from harness.record.folder import RunFolder
from harness.telemetry.feed import Feed
from harness.telemetry.sender import Sender
from harness.telemetry.sent import Sent
from harness.telemetry.settings import Otlp, interval_s

POLL_S = 0.25
LOWEST = 19


def export_stored(folder: RunFolder, otlp: Otlp, environment: Mapping[str, str]) -> Sent:
    """Send all of a stored run, dated as it was measured, in the steps of a run that goes on; raises ConfigError."""
    feed = Feed(folder)
    began = feed.origin_wall_s
    sender = Sender(folder, folder.created().timestamp() if began is None else began, otlp, environment)
    every, due, taken = interval_s(environment) * NS, None, True
    for login in feed.rest():
        due = login["ended"] + every if due is None else due
        if login["ended"] > due:
            due += every * ((login["ended"] - due) // every + 1)
            taken = taken and sender.push()  # after one that failed the rest is counted alone
        sender.add(login)
    if taken:
        sender.push()
    else:
        sender.gather()
    return sender.sent


def follow(folder: RunFolder, otlp: Otlp, environment: Mapping[str, str]) -> Sent:
    """Send a run's telemetry until it is over; what a collector did not take meanwhile is offered to it again."""
    feed, sender, due = Feed(folder), None, 0.0
    every = interval_s(environment)
    while True:
        over = feed.over
        if sender is None and (began := feed.origin_wall_s) is not None:
            sender = Sender(folder, began, otlp, environment)
        if sender is not None:
            for login in feed.rest() if over else feed.new():
                sender.add(login)
            if over or time.monotonic() >= due:
                sender.push()
                due = time.monotonic() + every
        if over:
            return Sent() if sender is None else sender.sent
        time.sleep(POLL_S)


def main(argv: list[str]) -> int:
    """The process; whatever happens to it, a line says so."""
    os.nice(LOWEST)
    path, url, *more = argv
    try:
        sent = follow(RunFolder.open(Path(path)), Otlp(url, "accounts" in more), os.environ)
    except AuthgateError as error:
        sent = Sent(why=str(error))
    print(json.dumps(asdict(sent)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
