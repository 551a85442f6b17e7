"""Other tools beside authgate, on one lab and in one sitting: what a login costs each, and how true its times are.

Run as root as ``python -m tests.benchmarks.peers [--seconds N] [--authrate JAR]``; it prints a table in Markdown. Every
tool is captured while it runs. *Core* is the processor time of the tool's processes a login, without the servers';
*told* is the time of a login as the tool tells it, authgate its service time; *wire* the sum of that login's round
trips in the capture, from a request's packet to the last one of its answer. All but authgate wait for an answer before
they go on, here as one user.

The tools: the commands that administrators put into a loop (kinit, kvno, ldapsearch), a Locust user as one would write
it with ldap3 and gssapi, and UnboundID's AuthRate (its classes are in the source package of python-ldap-test on PyPI;
left out without its JAR). Debian 12's JMeter 2.13 loads no plan at all: its xstream forbids JMeter's own classes.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from harness.lab.base import CredentialKind
from harness.lab.domain import Lab, LabArm
from harness.model.attempt import Floats
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.run.execute import execute
from harness.run.request import RunRequest
from tests.helpers.wire_times import Trip, capturing, trips

USER = "clin00007"
KERBEROS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry")
SIMPLE = ("ldap_connect", "ldap_simple_bind")
AS = "10"
"""The message type of its request."""
LOOP = """
import subprocess, sys, time
user, host, uri, base, keytab, seconds = sys.argv[1:]
end = time.monotonic() + float(seconds)
while time.monotonic() < end:
    began = time.perf_counter()
    for command in (["kinit", "-k", "-t", keytab, user], ["kvno", "-q", f"ldap/{host}"],
                    ["ldapsearch", "-Y", "GSSAPI", "-Q", "-N", "-LLL", "-H", uri, "-b", base, f"(uid={user})"]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(time.perf_counter() - began, flush=True)
"""
NAIVE = """
import os, time, uuid
import gssapi, ldap3
from locust import User, task

class Clinician(User):
    @task
    def logs_in(self):
        began = time.perf_counter()
        name = gssapi.Name(os.environ["LOGIN_USER"], gssapi.NameType.user)
        store = {"client_keytab": os.environ["KEYTAB"], "ccache": f"MEMORY:{uuid.uuid4()}"}
        credentials = gssapi.Credentials(name=name, usage="initiate", store=store)
        server = ldap3.Server(os.environ["URI"], get_info=ldap3.NONE)
        connection = ldap3.Connection(server, authentication=ldap3.SASL, sasl_mechanism=ldap3.KERBEROS,
                                      sasl_credentials=(os.environ["HOST"], None, None, credentials), auto_bind=True)
        connection.search(os.environ["BASE"], f"(uid={os.environ['LOGIN_USER']})", attributes=["*"])
        connection.unbind()
        took = time.perf_counter() - began
        self.environment.events.request.fire(request_type="LOGIN", name="login", response_time=took * 1000,
                                             response_length=0, exception=None, context={})
        with open(os.environ["NOTED"], "a") as file:
            print(took, file=file)
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What one tool did: processor seconds, the times (s) that it told, and their mean where it tells no more."""

    tool: str
    core_s: float
    told: Floats
    logins: int


def clocked(command: Sequence[str], env: Mapping[str, str], patience_s: float, folder: Path) -> tuple[float, str]:
    """Run a command to its end: the processor time of it and its children, in s, and what it printed."""
    before = psutil.Process().cpu_times()
    with (folder / "errors").open("wb") as errors:
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=errors, timeout=patience_s, cwd=folder)
    after = psutil.Process().cpu_times()
    if done.returncode not in (0, 1):  # Locust's 1 is of failed requests
        raise SystemExit(f"{command[0]}: {(folder / 'errors').read_text()[-2000:]}")
    core_s = after.children_user + after.children_system - before.children_user - before.children_system
    return core_s, done.stdout.decode()


class Peers:
    """The tools, on the arm of a lab, for so many seconds each."""

    def __init__(self, lab: Lab, seconds: float, folder: Path, authrate: Path | None) -> None:
        self.arm: LabArm = lab.arms["baseline"]
        self.targets, self.seconds, self.folder, self._jar = lab.targets, seconds, folder, authrate
        directory = self.arm.target["directory"]
        self.base, self.host = directory["user_base"], directory["service_host"]
        self.uri = f"ldap://127.0.0.1:{self.arm.ports['ldap']}"
        self.dn = f"uid={USER},{self.base}"
        with (self.arm.folder / "clinicians.csv").open(encoding="utf-8") as file:
            self.password = next(row[1] for row in csv.reader(file) if row[0] == USER)
        self.keytab = str(self.arm.folder / "clinicians.keytab")
        self.env = {**os.environ, "KRB5_CONFIG": str(self.arm.krb5_conf), "KRB5CCNAME": f"FILE:{folder}/cache"}
        self.patience_s = 3 * seconds + 60

    def authgate(self, steps: Sequence[str], rate: float) -> Found:
        """A run of one arm, in this process's children."""
        scenario = Scenario.model_validate(
            {
                "name": "peers",
                "steps": steps,
                "authentication": "password" if steps == SIMPLE else "key",
                "population": {"users": 200, "cold_share": 1},
                "arrivals": {"curve": "constant", "rate": rate},
                "seats": 1,  # one login at a time, as by the others: so the capture shows whose each packet is
                "blocks": {"length_s": self.seconds / 2, "trim_s": 0.5, "pairs": 2},
            }
        )
        targets = Targets.model_validate(self.targets)
        results = self.folder / "results"
        run = execute(RunRequest(scenario, targets, Policy(), results, ("baseline",), False), lambda _: None)
        attempts, health = run.attempts(), run.health()
        core_s = float(np.sum(health["cpu"].to_numpy()))  # shares of a core, a second each
        took = attempts["ended"].to_numpy() - attempts["started"].to_numpy() - attempts["own"].to_numpy()
        return Found("authgate", core_s, took / 1e9, len(attempts))

    def loop(self) -> Found:
        """Kinit, kvno and ldapsearch."""
        arguments = [USER, self.host, self.uri, self.base, self.keytab, f"{self.seconds}"]
        core_s, said = clocked([sys.executable, "-c", LOOP, *arguments], self.env, self.patience_s, self.folder)
        told = np.array([float(line) for line in said.split()])
        return Found("kinit, kvno, ldapsearch", core_s, told, len(told))

    def naive(self) -> Found:
        """A Locust user as one would write it."""
        (self.folder / "naive.py").write_text(NAIVE)
        noted = self.folder / "noted"
        env = {"LOGIN_USER": USER, "KEYTAB": self.keytab, "URI": self.uri, "HOST": self.host, "BASE": self.base}
        run = [sys.executable, "-m", "locust", "-f", "naive.py", "--headless", "--only-summary", "-u", "1"]
        command = [*run, "-t", f"{self.seconds:.0f}s"]
        core_s, _ = clocked(command, {**self.env, **env, "NOTED": str(noted)}, self.patience_s, self.folder)
        told = np.atleast_1d(np.loadtxt(noted))
        return Found("Locust user by ldap3 and gssapi", core_s, told, len(told))

    def authrate(self) -> Found:
        """UnboundID's AuthRate, which searches the entry and binds, on connections that stay; it tells means alone."""
        interval = max(1, round(self.seconds / 3))
        java = ["java", "-cp", str(self._jar), "com.unboundid.ldap.sdk.examples.AuthRate"]
        where = ["-h", "127.0.0.1", "-p", str(self.arm.ports["ldap"]), "-D", self.dn, "-w", self.password]
        what = ["-b", self.base, "-s", "sub", "-f", f"(uid={USER})", "-C", self.password, "-t", "1"]
        command = [*java, *where, *what, "-i", str(interval), "-I", "3"]
        core_s, said = clocked(command, self.env, self.patience_s, self.folder)
        found = re.findall(r"^ *([\d.,]+) +([\d.,]+) +[\d.,]+ +[\d.,]+ +[\d.,]+ *$", said, re.MULTILINE)
        if not found:
            raise SystemExit(f"AuthRate: {said}")
        rates, means = (np.array([float(row[place].replace(",", "")) for row in found]) for place in (0, 1))
        return Found("UnboundID AuthRate", core_s, means / 1000, round(float(rates.sum()) * interval))


Wire = tuple[Mapping[int, list[Trip]], list[list[Trip]]]
"""The round trips of a capture: to the KDC by the client's port, and of each connection to the directory."""


def from_tickets(wire: Wire) -> Floats:
    """The time (ms) of each login that begins with an AS exchange, of a tool that has one under way at a time."""
    to_kdc, to_ldap = wire
    found: list[float] = []
    before = ""
    for trip in sorted((trip for flow in [*to_kdc.values(), *to_ldap] for trip in flow), key=lambda trip: trip.at):
        if trip.kind == AS and before != AS:  # the second of two follows a demand for pre-authentication
            found.append(0.0)
        before = trip.kind or "ldap"
        if found:
            found[-1] += trip.ms
    return np.array(found)


def by_connection(wire: Wire) -> Floats:
    """The time of each login that has a connection of its own."""
    return np.array([sum(trip.ms for trip in flow) for flow in wire[1]])


def in_turn(wire: Wire) -> Floats:
    """The time of each login by one search on a connection that stays, and one bind on another."""
    flows = sorted(wire[1], key=len)[-2:]
    return np.array([sum(trip.ms for trip in both) for both in zip(*flows, strict=False)])


def row(found: Found, wire: Floats) -> str:
    """One line of the table."""
    told = found.told * 1000
    percentiles = "{:.2f} / {:.2f}".format(*np.quantile(told, (0.5, 0.99)))
    if len(told) < 10:
        percentiles = f"mean {told.mean():.2f}"
    on_wire = "{:.2f} / {:.2f}".format(*np.quantile(wire, (0.5, 0.99))) if len(wire) else "–"
    core_ms = found.core_s / found.logins * 1000
    return f"| {found.tool} | {found.logins} | {core_ms:.1f} | {1000 / core_ms:.0f} | {percentiles} | {on_wire} |"


def table(steps: Sequence[str], credentials: CredentialKind, options: argparse.Namespace) -> None:
    """Print what each tool made of a login of these steps."""
    print(f"| {', '.join(steps)} | logins | core ms | logins/s a core | told p50 / p99 ms | wire p50 / p99 ms |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, Lab(("baseline",), credentials=credentials) as lab:
        peers = Peers(lab, options.seconds, Path(name), options.authrate)
        ports = [peers.arm.ports["kdc"], peers.arm.ports["ldap"]]
        tools: list[tuple[Callable[[], Found], Callable[[Wire], Floats]]]
        if steps == KERBEROS:
            own = partial(peers.authgate, steps, options.rate)
            tools = [(own, from_tickets), (peers.loop, from_tickets), (peers.naive, from_tickets)]
        else:
            tools = [(partial(peers.authgate, steps, options.rate), by_connection)]
            tools += [(peers.authrate, in_turn)] if options.authrate else []
        for number, (tool, wire_of) in enumerate(tools):
            file = Path(name) / f"{number}.pcapng"
            with capturing(file, ports, peers.patience_s):
                found = tool()
            print(row(found, wire_of(trips(file, *ports))), flush=True)
    print()


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of load by each tool (%(default)s)")
    parser.add_argument("--authrate", type=Path, help="a JAR with com.unboundid.ldap.sdk.examples.AuthRate")
    parser.add_argument("--rate", type=float, default=100.0, help="of authgate's logins (%(default)s)")
    options = parser.parse_args()
    table(KERBEROS, "keytab", options)
    table(SIMPLE, "csv", options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
