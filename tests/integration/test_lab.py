"""The embedded domain, by its peers' own tools: kinit, klist, ldapwhoami, ldapsearch."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gssapi
import ldap3
import pytest
import yaml

from harness.errors import LabError
from harness.lab import domain, hospital, store, supervisor, tools
from harness.lab.domain import Lab, LabArm
from harness.model.fault import Hold
from harness.model.target import Arm, Targets
from harness.system import packages
from harness.system.process import Family, Identity, environment
from tests.helpers.running import commands_running

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("require_domain")]

PATIENCE_S = 20.0
"""An upper bound on things that take milliseconds; only a hang reaches it."""


def tool(arm: LabArm, *argv: str, typed: str = "", **env: str) -> str:
    """What a command-line tool prints, with this arm's realm and a ticket cache of its own."""
    settings = environment(KRB5_CONFIG=str(arm.krb5_conf), KRB5CCNAME=f"FILE:{arm.folder}/test.ccache", **env)
    done = subprocess.run(argv, env=settings, input=typed, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


def uri(arm: LabArm) -> str:
    return f"ldap://127.0.0.1:{arm.ports['ldap']}"


def password(arm: LabArm) -> str:
    return (arm.folder / store.CLINICIANS_CSV).read_text().splitlines()[0].split(",")[1]


def get_ticket(arm: LabArm, user: str) -> None:
    tool(arm, "kinit", "-k", "-t", str(arm.folder / "clinicians.keytab"), user)


def who_am_i(arm: LabArm) -> str:
    return tool(arm, "ldapwhoami", "-Y", "GSSAPI", "-Q", "-N", "-H", uri(arm)).strip().lower()


def search(arm: LabArm, *query: str) -> str:
    return tool(arm, "ldapsearch", "-Y", "GSSAPI", "-Q", "-N", "-LLL", "-o", "ldif-wrap=no", "-H", uri(arm), *query)


def eventually(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_login_with_a_password_reaches_the_directory_as_that_clinician(lab: Lab) -> None:
    for arm in lab.arms.values():
        tool(arm, "kinit", "clin01999", typed=password(arm) + "\n")
        assert who_am_i(arm) == "dn:uid=clin01999,ou=users,dc=clinic,dc=test"
        assert "krbtgt/CLINIC.TEST@CLINIC.TEST" in tool(arm, "klist")


def test_a_login_with_a_key_reaches_the_directory_as_that_clinician(lab: Lab) -> None:
    for arm in lab.arms.values():
        get_ticket(arm, "clin00007")
        assert who_am_i(arm) == "dn:uid=clin00007,ou=users,dc=clinic,dc=test"


def test_a_wrong_password_is_refused(lab: Lab) -> None:
    with pytest.raises(AssertionError, match="Password incorrect"):
        tool(lab.arms["baseline"], "kinit", "clin00000", typed="not it\n")


def test_the_directory_accepts_a_client_without_security_layers(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    arm = lab.arms["baseline"]
    monkeypatch.setenv("KRB5_CONFIG", str(arm.krb5_conf))
    credentials = gssapi.Credentials(
        name=gssapi.Name("clin00007@CLINIC.TEST", gssapi.NameType.kerberos_principal),
        usage="initiate",
        store={"client_keytab": f"{arm.folder}/clinicians.keytab", "ccache": f"FILE:{arm.folder}/ldap3.ccache"},
    )
    connection = ldap3.Connection(
        ldap3.Server(uri(arm), get_info=ldap3.NONE, connect_timeout=PATIENCE_S),
        authentication=ldap3.SASL,
        sasl_mechanism=ldap3.GSSAPI,
        sasl_credentials=("ldap.clinic.test", None, credentials),
        receive_timeout=int(PATIENCE_S),
    )
    try:
        assert connection.bind()
        assert connection.extend.standard.who_am_i() == "dn:uid=clin00007,ou=users,dc=clinic,dc=test"
    finally:
        connection.unbind()


def test_a_simple_bind_works_over_starttls_with_a_verified_ec_certificate(lab: Lab, tmp_path: Path) -> None:
    arm = lab.arms["candidate"]
    secret = tmp_path / "password"
    secret.touch(0o600)
    secret.write_text(password(arm))
    who = tool(
        arm,
        *("ldapwhoami", "-x", "-ZZ", "-H", uri(arm), "-D", hospital.user_dn("clin00003"), "-y", str(secret)),
        LDAPTLS_CACERT=str(arm.folder / "ldap-cert.pem"),
    )
    assert who.strip().lower() == "dn:uid=clin00003,ou=users,dc=clinic,dc=test"
    assert "id-ecPublicKey" in tool(arm, "openssl", "x509", "-in", str(arm.folder / "ldap-cert.pem"), "-noout", "-text")


def test_an_anonymous_client_reads_no_password_hash(lab: Lab) -> None:
    arm = lab.arms["baseline"]
    done = subprocess.run(
        ["ldapsearch", "-x", "-LLL", "-H", uri(arm), "-b", hospital.SUFFIX, "(uid=clin00000)", "userPassword"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert "userPassword" not in done.stdout
    get_ticket(arm, "clin00000")
    assert "userPassword" not in search(arm, "-b", hospital.USER_BASE, "(uid=clin00001)", "userPassword")


def test_a_ward_is_nested_in_a_department_and_that_in_the_hospital(lab: Lab) -> None:
    arm = lab.arms["baseline"]
    get_ticket(arm, "clin00007")

    def parents(name: str) -> set[str]:
        found = search(arm, "-b", name, "-s", "base", "(objectClass=*)", "memberOf")
        return {line.removeprefix("memberOf: ") for line in found.splitlines() if line.startswith("memberOf")}

    def groups_with(member: str) -> set[str]:
        found = search(arm, "-b", hospital.GROUP_BASE, f"(member={member})", "dn")
        return {line.removeprefix("dn: ") for line in found.splitlines() if line}

    steps = [
        (hospital.user_dn("clin00007"), {hospital.group_dn("Ward07"), hospital.group_dn("EHR-Users")}),
        (hospital.group_dn("Ward07"), {hospital.group_dn("Dept1")}),
        (hospital.group_dn("Dept1"), {hospital.group_dn("Hospital")}),
        (hospital.group_dn("Hospital"), set()),
    ]
    for name, expected in steps:
        assert parents(name) == groups_with(name) == expected
    wards = search(arm, "-b", hospital.GROUP_BASE, "(cn=Ward*)", "dn")
    assert wards.count("dn: ") == 40


def test_both_arms_hold_identical_keys_and_entries(lab: Lab) -> None:
    baseline, candidate = lab.arms["baseline"], lab.arms["candidate"]
    for name in ("services.keytab", "clinicians.keytab", "clinicians.csv", "stash", "ldap-cert.pem"):
        assert (baseline.folder / name).read_bytes() == (candidate.folder / name).read_bytes()
    # A ticket from the baseline's KDC opens the candidate's directory.
    get_ticket(baseline, "clin00042")
    who = tool(baseline, "ldapwhoami", "-Y", "GSSAPI", "-Q", "-N", "-H", uri(candidate)).strip().lower()
    assert who == "dn:uid=clin00042,ou=users,dc=clinic,dc=test"
    numbers = [
        tool(arm, "kvno", *hospital.SERVICES).replace(str(arm.folder), "")
        for arm in (baseline, candidate)
        if get_ticket(arm, "clin00042") is None
    ]
    assert numbers[0] == numbers[1]
    assert numbers[0].count("kvno = ") == len(hospital.SERVICES)
    everything = []
    for arm in (baseline, candidate):
        everything.append(search(arm, "-z", "none", "-b", hospital.GROUP_BASE, "(objectClass=*)", "*", "+"))
    assert everything[0] == everything[1]


def test_the_targets_name_loopback_and_validate(lab: Lab, tmp_path: Path) -> None:
    lab.write_targets(tmp_path / "targets.yaml")
    written = yaml.safe_load((tmp_path / "targets.yaml").read_text())
    assert written == lab.targets
    targets = Targets.model_validate(written)
    assert {endpoint.host for arm in targets.arms.values() for endpoint in arm.endpoints} == {"127.0.0.1"}
    assert set(targets.arms) == {"baseline", "candidate"}


def test_an_arm_can_be_had_alone_and_with_a_keytab() -> None:
    with Lab(("candidate",), credentials="keytab") as lab:
        assert list(lab.arms) == ["candidate"]
        keytab = Targets.model_validate(lab.targets).arms["candidate"].credentials.keytab
        assert keytab is not None
        listed = tool(lab.arms["candidate"], "klist", "-ke", keytab)
        assert "clin01999@CLINIC.TEST (aes256-cts-hmac-sha1-96)" in listed
        assert listed.count("@CLINIC.TEST") == 2 * len(hospital.CLINICIANS)


def test_a_holding_candidate_has_its_baseline_behind_a_relay_too() -> None:
    hold_s = 5.0
    with Lab(faults=[Hold(hold_s=hold_s, workers=4)]) as lab, ThreadPoolExecutor(1) as beside:
        fronts = {name: f"ldap://127.0.0.1:{arm.ports['relay']}" for name, arm in lab.arms.items()}
        for name, arm in lab.arms.items():
            get_ticket(arm, "clin00007")
            assert Targets.model_validate(lab.targets).arms[name].directory.uri == fronts[name]

        def ask(name: Arm) -> None:
            tool(lab.arms[name], "ldapwhoami", "-Y", "GSSAPI", "-Q", "-N", "-H", fronts[name])

        started = time.monotonic()
        held = beside.submit(ask, "candidate")
        ask("baseline")
        assert not held.done(), "the baseline's, asked later, is answered before"
        held.result()
        assert time.monotonic() - started >= hold_s


def test_leaving_a_lab_ends_its_servers_and_removes_its_clones(cache: Path) -> None:
    with Lab(behind_relay=["ldap"]) as lab:
        processes = [process for arm in lab.arms.values() for process in arm.processes.values()]
        folder = lab.arms["baseline"].folder.parent
        assert folder.parent == cache / "authgate" / "run"
        assert all(process.alive for process in processes)
    assert len(processes) == 6
    assert not any(process.alive for process in processes)
    assert not folder.exists()


PARENT = """
import json, sys, threading, time
from dataclasses import asdict
from harness.lab.domain import Lab
lab = Lab(behind_relay=["ldap"])
starter = threading.Thread(target=lab.__enter__)
starter.start()
starter.join()
time.sleep(0.2)
print(json.dumps([asdict(process) for arm in lab.arms.values() for process in arm.processes.values()]), flush=True)
time.sleep(60)
"""


def start_parent() -> tuple[subprocess.Popen[str], list[Identity]]:
    """A process whose lab was started by a thread that has ended since, and that lab's processes."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as answer:
        return parent, [Identity(**process) for process in json.loads(answer.readline())]


def test_servers_outlive_the_thread_that_started_them_and_die_with_a_parent_that_is_killed() -> None:
    parent, processes = start_parent()
    assert len(processes) == 6
    assert all(process.alive for process in processes)
    parent.kill()
    parent.wait()
    assert eventually(lambda: not any(process.alive for process in processes))


def test_a_child_whose_parent_died_before_it_could_ask_is_not_left_over(tmp_path: Path) -> None:
    """The fork happens in a parent that is gone by the time the child asks for its death signal."""
    script = (
        "import os, time; from harness.system import process\n"
        "ask = process._die_with(os.getpid())\n"
        "if os.fork() == 0:\n"
        "    while os.getppid() == parent: time.sleep(0.001)\n"
        "    ask(); print('left over', flush=True)\n"
    ).replace("== parent", "== int(os.environ['PARENT_PID'])")
    script = "import os; os.environ['PARENT_PID'] = str(os.getpid())\n" + script
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_next_lab_removes_the_clones_of_a_parent_that_was_killed(cache: Path) -> None:
    runs = cache / "authgate" / "run"
    with Lab(("baseline",)) as living:
        parent, _ = start_parent()
        parent.kill()
        parent.wait()
        stale = {folder for folder in runs.iterdir() if f"-{parent.pid}-" in folder.name}
        assert len(stale) == 1
        foreign = runs / "1-1-1-00000000"  # Of another pid namespace, where pid 1 may well be alive.
        foreign.mkdir()
        with Lab(("baseline",)):
            assert not stale & set(runs.iterdir())
            assert living.arms["baseline"].folder.exists()
        assert foreign.exists()
        foreign.rmdir()


def test_a_port_that_was_taken_in_between_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    real, offered = domain.free_ports, []

    for position in range(3):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()

            def offer(count: int, position: int = position, port: int = taken.getsockname()[1]) -> list[int]:
                ports = real(count)
                if not offered:
                    ports[position] = port
                offered.append(ports)
                return ports

            offered.clear()
            monkeypatch.setattr(domain, "free_ports", offer)
            with Lab(("baseline",)) as lab:
                assert len(offered) == 2
                assert list(lab.arms["baseline"].ports.values()) == offered[1]


def test_servers_that_cannot_listen_are_given_up_with_their_last_words(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = cache / "authgate" / "run"
    before = set(running.glob("*"))  # other tests of this process may have a lab up
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(domain, "free_ports", lambda count: [taken.getsockname()[1]] * count)
        with pytest.raises(LabError, match="Address already in use"), Lab(("baseline",)):
            pass
    assert not [folder for folder in set(running.iterdir()) - before if f"-{os.getpid()}-" in folder.name]


def test_a_missing_server_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(packages, "SBIN", ())
    with pytest.raises(LabError, match=r"krb5kdc.* apt-get install --no-install-recommends krb5-kdc .*slapd") as error:
        tools.find_tools()
    assert "libsasl2" not in str(error.value)


def test_no_secret_is_in_a_command_an_environment_or_a_file_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # An empty one: the build is watched too.
    known: list[str] = []
    commands: list[str] = []
    token_hex, popen = secrets.token_hex, subprocess.Popen.__init__

    def remember(size: int) -> str:
        known.append(token_hex(size))
        return known[-1]

    def watch(self: object, argv: list[str], *rest: object, env: Mapping[str, str], **more: object) -> None:
        commands.append(f"{argv} {dict(env)}")
        popen(self, argv, *rest, env=env, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(secrets, "token_hex", remember)
    monkeypatch.setattr(subprocess.Popen, "__init__", watch)
    with Lab(faults=[Hold(hold_s=0.1, workers=1)]) as lab:
        arm = lab.arms["baseline"]
        secret = [token for token in known if len(token) == 32]
        assert password(arm) in secret
        assert len(secret) == 2  # The clinicians' password and the database's master password.
        running = commands_running()
        assert "krb5kdc" in running
        assert len(commands) > 8
        for token in secret:
            assert token not in running
            assert not [command for command in commands if token in command]
        found = 0
        for path in (tmp_path / "authgate").rglob("*"):
            readable = bool(path.stat().st_mode & 0o077)
            if path.is_dir():
                assert not readable, path
            elif path.stat().st_size < 2**24:
                holds = any(token.encode() in path.read_bytes() for token in secret)
                secretive = path.name.endswith((".keytab", "-key.pem", "stash", "principal", ".csv"))
                found += holds
                assert not (readable and (holds or secretive)), path
                assert not holds or path.name == store.CLINICIANS_CSV, path
        assert found == 3  # The built folder's and each arm's.


def test_a_login_leaves_no_trace_outside_the_labs_folder(lab: Lab) -> None:
    replay_cache = Path(f"/var/tmp/krb5_{os.geteuid()}.rcache2")  # Where libkrb5 would keep it by default.
    before = replay_cache.stat().st_mtime_ns if replay_cache.exists() else None
    arm = lab.arms["baseline"]
    get_ticket(arm, "clin00007")
    who_am_i(arm)
    assert (replay_cache.stat().st_mtime_ns if replay_cache.exists() else None) == before
    for process in arm.processes.values():
        opened = [fd.resolve() for fd in Path(f"/proc/{process.pid}/fd").iterdir()]
        files = [path for path in opened if path.is_file()]
        assert files
        assert [path for path in files if not path.is_relative_to(arm.folder)] == []


def test_two_labs_at_once_build_once_and_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders = [tmp_path / "one", tmp_path / "two"]
    try:
        with ThreadPoolExecutor(2) as pool:
            one, two = pool.map(supervisor.up, folders)
        assert one.running
        assert two.running
        assert len([path for path in (tmp_path / "cache/authgate/lab").iterdir() if path.is_dir()]) == 1
        assert not set(one.ports.values()) & set(two.ports.values())
        os.kill(one.processes["baseline.kdc"].pid, signal.SIGKILL)
        assert eventually(lambda: not one.processes["baseline.kdc"].alive)
        said = supervisor.status(folders[0])
        assert said is not None
        assert [name for name, alive in said.alive.items() if not alive] == ["baseline.kdc"]
        assert not said.running

        assert supervisor.down(folders[0])
        assert not any(process.alive for process in one.processes.values())
        assert supervisor.status(folders[0]) is None
        assert not (folders[0] / "targets.yaml").exists()
        assert not supervisor.down(folders[0])

        still = supervisor.status(folders[1])
        assert still is not None
        assert still.running
        Targets.model_validate(yaml.safe_load(still.targets.read_text()))
    finally:
        for folder in folders:
            supervisor.down(folder)
    assert not any(process.alive for process in two.processes.values())
    assert list((tmp_path / "cache/authgate/run").iterdir()) == []


def test_a_second_lab_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = supervisor.up(tmp_path / "lab", arms=("baseline",))
    try:
        with pytest.raises(LabError, match="authgate lab down"):
            supervisor.up(tmp_path / "lab", arms=("baseline",))
        assert supervisor.status(tmp_path / "lab") == first
    finally:
        supervisor.down(tmp_path / "lab")


def test_a_supervisor_that_is_killed_takes_its_servers_along_and_its_folder_can_be_used_again(tmp_path: Path) -> None:
    lab = supervisor.up(tmp_path, arms=("baseline",))
    os.kill(lab.processes["supervisor"].pid, signal.SIGKILL)
    assert eventually(lambda: not any(process.alive for process in lab.processes.values()))
    again = supervisor.up(tmp_path, arms=("baseline",))
    assert again.running
    assert supervisor.down(tmp_path)


def test_down_leaves_a_process_alone_that_has_the_pid_but_not_the_start_time(tmp_path: Path) -> None:
    family = Family()
    stranger = family.spawn(["sleep", "60"], environment(), tmp_path / "log")
    try:
        now = Identity.of(stranger.pid)
        state = {
            "kind": "embedded",
            "ports": {},
            "addresses": {},
            "processes": {"supervisor": {"pid": now.pid, "started": now.started - 1}},
        }
        (tmp_path / supervisor.STATE).write_text(json.dumps(state))
        assert supervisor.down(tmp_path)
        assert now.alive
    finally:
        family.close()
    assert not now.alive


def test_a_kind_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="embedded"):
        supervisor.up(tmp_path, kind="windows")


def test_a_failed_start_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Identity] = []

    def fail(self: object, ldap_port: int) -> None:
        started.extend(Identity.of(int(pid)) for pid in children() if pid not in others)
        raise LabError("no login")

    def children() -> list[str]:
        tasks = Path("/proc/self/task").iterdir()
        return [pid for task in tasks for pid in (task / "children").read_text().split()]

    monkeypatch.setattr(domain._ArmStarter, "_log_in", fail)
    others = children()  # of another test of this process, such as a browser
    before = threading.active_count()
    with pytest.raises(LabError, match="no login"), Lab():
        pass
    assert started
    assert not any(process.alive for process in started)
    assert threading.active_count() <= before
