"""What the doctor reads of answers, certificates and of this machine, without any server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.cli.main import main
from harness.doctor import arms, inputs, kdc, machine
from harness.doctor.accounts import SAMPLED_AT_MOST, sample
from harness.doctor.as_request import PREAUTH_REQUIRED, KdcAnswer, as_request, read_answer
from harness.doctor.examine import ArmCheck, examine
from harness.doctor.machine import Machine
from harness.doctor.probe import Probe
from harness.login.credentials import Accounts
from harness.login.net import der
from harness.login.net.certificate import read_certificate
from harness.login.net.clock import StepClock
from harness.model.diagnosis import Check, Diagnosis, Remark, ok, problem, warning
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.report.diagnosis import diagnosis_json, print_diagnosis
from tests.helpers.stand_ins import stand_in

TARGET: dict[str, Any] = {
    "realm": "CLINIC.TEST",
    "kdcs": ["127.0.0.1:88"],
    "directory": {"uri": "ldap://127.0.0.1", "service_host": "dc1.clinic.test", "user_base": "", "group_base": ""},
    "credentials": {"env": "NO_SUCH_VARIABLE"},
}
SCENARIO = Scenario.model_validate(
    {
        "name": "test",
        "steps": ["kdc_as", "kdc_tgs_ldap"],
        "population": {"users": 1},
        "arrivals": {"curve": "constant", "rate": 1},
    }
)
DUET = SCENARIO.model_copy(update={"blocks": SCENARIO.blocks.model_copy(update={"design": "duet"})})


# What a KDC says.


@given(st.binary(max_size=300), st.integers(0, 30))
def test_a_value_is_read_as_it_was_written(content: bytes, number: int) -> None:
    written = der.encode(der.SEQUENCE, der.encode(der.context(number), der.encode(der.GENERAL_STRING, content)))
    assert der.decode(written).field(number).content == content


@given(st.integers(0, 2**64))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert der.decode(der.integer(number)).number() == number


@given(st.binary(max_size=60))
def test_bytes_of_any_form_are_read_or_refused(data: bytes) -> None:
    for read in (lambda: read_answer(data, 0.0, 0.0), lambda: read_certificate(data)):
        with pytest.raises(ValueError):
            read()


def refusal(code: int, at: datetime, micros: int, *enctypes: int) -> bytes:
    """A KRB-ERROR (RFC 4120 §5.9.1) of this code, by a clock that says so, with the account's keys (ETYPE-INFO2)."""
    entries = [der.encode(der.SEQUENCE, der.encode(der.context(0), der.integer(each))) for each in enctypes]
    info = der.encode(0x04, der.encode(der.SEQUENCE, *entries))
    one = der.encode(der.SEQUENCE, der.encode(der.context(1), der.integer(19)), der.encode(der.context(2), info))
    time = der.encode(der.GENERALIZED_TIME, at.strftime("%Y%m%d%H%M%SZ").encode())
    parts = {0: der.integer(5), 1: der.integer(30), 4: time, 5: der.integer(micros), 6: der.integer(code)}
    parts[12] = der.encode(0x04, der.encode(der.SEQUENCE, one))
    fields = [der.encode(der.context(number), part) for number, part in parts.items()]
    return der.encode(der.application(30), der.encode(der.SEQUENCE, *fields))


@given(st.integers(-100_000, 100_000), st.integers(0, 999_999))
def test_the_skew_is_the_kdcs_clock_less_ones_own(ahead_s: int, micros: int) -> None:
    asked_at = 1_795_000_000.0
    at = datetime.fromtimestamp(asked_at + ahead_s, UTC)
    found = read_answer(refusal(PREAUTH_REQUIRED, at, micros, 18, 23), 0.01, asked_at)
    assert found.skew_s == pytest.approx(ahead_s + micros / 1e6, abs=1e-5)
    assert (found.code, found.enctypes) == (PREAUTH_REQUIRED, (18, 23))


def test_a_request_names_the_user_and_holds_no_pre_authentication() -> None:
    fields = der.decode(der.decode(as_request("CLINIC.TEST", "clin00007")).content)
    assert fields.part(der.context(3)) is None
    assert b"clin00007" in fields.field(4).content


@pytest.mark.parametrize(
    ("skew_s", "level", "words"),
    [
        (-0.0021, "ok", "2 ms behind"),
        (60.0, "ok", "60,000 ms ahead of"),
        (-60.1, "warning", "60,100 ms behind"),
        (300.0, "warning", "300,000 ms ahead of"),
        (301.0, "problem", "more than the 300 s"),
    ],
)
def test_a_clock_is_judged_by_what_kerberos_tolerates(skew_s: float, level: str, words: str) -> None:
    probe = probe_of(TARGET)
    probe.answers = {(probe.target.kdcs[0], "UDP"): KdcAnswer(PREAUTH_REQUIRED, 0.001, skew_s, (18,))}
    (said,) = kdc.skew(probe, StepClock(1))
    assert said.level == level
    assert words in said.found


# What is known before anything is sent.


def test_credentials_that_others_may_read_are_a_problem_and_not_quoted(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.csv"
    accounts.write_text("clin00007,do-not-show\n")
    accounts.chmod(0o644)
    probe = probe_of({**TARGET, "credentials": {"csv": str(accounts)}}, None, "127.0.0.1")
    (said,) = inputs.credentials(probe, StepClock(1))
    assert said.level == "problem"
    assert f"chmod 600 {accounts}" in said.found
    assert "do-not-show" not in str(said)
    assert probe.accounts is None
    accounts.chmod(0o600)
    (said,) = inputs.credentials(probe, StepClock(1))
    assert said.level == "ok"


@pytest.mark.parametrize(("most", "level"), [(2, "ok"), (0.5, "problem")])
def test_a_rate_that_the_servers_may_not_receive_is_a_problem(most: float, level: str) -> None:
    probe = probe_of(TARGET, SCENARIO, "127.0.0.1")
    probe.targets = probe.targets.model_copy(update={"max_rate": most})
    (said,) = inputs.rate(probe, StepClock(1))
    assert said.level == level


def probe_told(answer: KdcAnswer) -> Probe:
    """One whose KDC has answered so."""
    probe = probe_of(TARGET)
    probe.kdc = probe.target.kdcs[0], "UDP"
    probe.answers, probe.accounts = {probe.kdc: answer}, Accounts(("clin00007",), {})
    return probe


@pytest.mark.parametrize(
    ("code", "enctypes", "level", "words"),
    [
        (PREAUTH_REQUIRED, (18, 23), "ok", "aes256-cts-hmac-sha1-96, arcfour-hmac (RC4)"),
        (PREAUTH_REQUIRED, (23,), "warning", "arcfour-hmac (RC4)"),
        (18, (), "n/a", "KDC_ERR_CLIENT_REVOKED"),
        (None, (), "warning", "without pre-authentication"),
    ],
)
def test_the_keys_of_an_account_are_judged(code: int | None, enctypes: tuple[int, ...], level: str, words: str) -> None:
    (said,) = kdc.enctypes(probe_told(KdcAnswer(code, 0.001, 0.0, enctypes)), StepClock(1))
    assert said.level == level
    assert words in said.found


# Which accounts are tried.


@given(st.integers(1, 5000))
def test_the_sample_is_small_and_holds_the_first_and_the_last_account(count: int) -> None:
    users = [str(number) for number in range(count)]
    found = sample(users)
    assert len(found) == len(set(found)) == min(count, SAMPLED_AT_MOST)
    assert (found[0], found[-1]) == (users[0], users[-1])


# Both arms.


def probe_of(
    target: dict[str, Any], scenario: Scenario | None = None, *addresses: str, traits: dict[str, str] | None = None
) -> Probe:
    targets = Targets.model_validate({"arms": {"baseline": target}})
    found = {address: (address,) for address in addresses}
    return Probe("baseline", targets, scenario, set(), Path(), found, traits=traits or {})


OTHER = {**TARGET, "kdcs": ["127.0.0.2:88"]}


@pytest.mark.parametrize(
    ("scenario", "candidate", "level"),
    [
        (SCENARIO, "127.0.0.2", "ok"),
        (DUET, "127.0.0.2", "warning"),
        (DUET, "192.0.2.1", "ok"),
    ],
)
def test_a_duet_of_arms_on_one_machine_is_warned_of(scenario: Scenario, candidate: str, level: str) -> None:
    (said,) = arms.apart(probe_of(TARGET, scenario, "127.0.0.1"), probe_of(OTHER, scenario, candidate))
    assert said.level == level


def test_a_comparison_of_a_server_with_itself_is_warned_of() -> None:
    said = list(arms.apart(probe_of(TARGET, None, "192.0.2.1"), probe_of(TARGET, None, "192.0.2.1")))
    assert [remark.level for remark in said] == ["warning", "ok"]


def test_what_only_one_arm_has_told_is_no_difference() -> None:
    one = probe_of(TARGET, traits={"site": "A", "encryption types": "aes"})
    (said,) = arms.alike(one, probe_of(OTHER, traits={"site": "A"}))
    assert said.level == "ok"
    (said,) = arms.alike(one, probe_of(OTHER))
    assert said.level == "n/a"


def test_another_realm_is_told() -> None:
    said = list(arms.alike(probe_of(TARGET), probe_of({**OTHER, "realm": "ELSEWHERE.TEST"})))
    assert "ELSEWHERE.TEST" in said[0].found
    assert said[0].level == "warning"


# This machine.

STAT = "cpu  100 0 100 {idle} 0 0 0 {steal} 0 0\n" + "".join(f"cpu{core} 1 1 1 1 1 1 1 1 0 0\n" for core in range(4))


@contextmanager
def kernel(folder: Path, **files: str) -> Iterator[Machine]:
    """A machine whose kernel says this: paths with ``__`` for a slash."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    yield Machine(folder, watched_s=0)


@pytest.mark.parametrize(("load", "level"), [("1.9 1 1", "ok"), ("2.1 1 1", "warning")])
def test_a_machine_with_more_to_do_than_half_its_cores_can_is_warned_of(tmp_path: Path, load: str, level: str) -> None:
    with kernel(tmp_path, proc__stat=STAT.format(idle=0, steal=0), proc__loadavg=load) as here:
        (said,) = machine.processors(here, None)
    assert said.level == level
    assert "4 cores" in said.found


@pytest.mark.parametrize(("stolen", "level"), [(1, "ok"), (10, "warning")])
def test_time_that_the_hypervisor_gives_to_others_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stolen: int, level: str
) -> None:
    with kernel(tmp_path, proc__stat=STAT.format(idle=1000, steal=500)) as here:
        after = STAT.format(idle=1100 - stolen, steal=500 + stolen)
        stand_in(monkeypatch, machine, "time", sleep=lambda _: (tmp_path / "proc/stat").write_text(after))
        (said,) = machine.steal(here, None)
    assert said.level == level
    assert f"{stolen / 100:.1%}" in said.found


@pytest.mark.parametrize(("governor", "level"), [("performance\n", "ok"), ("powersave\n", "warning")])
def test_a_processor_that_saves_power_is_warned_of(tmp_path: Path, governor: str, level: str) -> None:
    with kernel(tmp_path, sys__devices__system__cpu__cpu0__cpufreq__scaling_governor=governor) as here:
        (said,) = machine.governor(here, None)
    assert said.level == level


@pytest.mark.parametrize(("rate", "level"), [(10, "ok"), (400, "warning")])
def test_ports_that_a_rate_would_use_up_are_warned_of(tmp_path: Path, rate: float, level: str) -> None:
    scenario = SCENARIO.model_copy(update={"arrivals": SCENARIO.arrivals.model_copy(update={"rate": rate})})
    with kernel(tmp_path, proc__sys__net__ipv4__ip_local_port_range="32768\t60999\n") as here:
        (said,) = machine.ephemeral_ports(here, scenario)
    assert said.level == level
    assert said.found.startswith("28232 ")


@pytest.mark.parametrize(("seats", "level"), [(400, "ok"), (4000, "warning")])
def test_files_that_the_seats_would_use_up_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, seats: int, level: str
) -> None:
    monkeypatch.setattr(machine, "open_files", lambda: 8192)
    (said,) = machine.files(Machine(), SCENARIO.model_copy(update={"seats": seats}))
    assert said.level == level


def test_a_kernel_that_tells_nothing_makes_no_check_fail(tmp_path: Path) -> None:
    checks = examine(None, SCENARIO, Machine(tmp_path, watched_s=0)).checks
    known = ("versions", "clock", "open files")
    assert {check.remark.level for check in checks if check.name not in known} == {"n/a"}
    assert {check.where for check in checks} == {"this machine"}


# What is asked of nobody.


def test_addresses_that_are_refused_are_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was sent")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "sendto", refuse)
    targets = Targets.model_validate({"arms": {"baseline": {**TARGET, "kdcs": ["192.0.2.1"]}}})
    mine = [check for check in examine(targets, SCENARIO, Machine(watched_s=0)).checks if check.where == "baseline"]
    assert {check.name for check in mine if check.remark.level == "problem"} == {"addresses"}
    assert {check.remark.level for check in mine if check.name not in ("targets", "addresses")} == {"n/a"}


def test_a_step_that_the_targets_have_no_server_for_is_a_problem() -> None:
    targets = Targets.model_validate({"arms": {"baseline": {**TARGET, "kdcs": ["192.0.2.1"]}}})
    steps = ("kdc_as", "kdc_tgs_host")
    found = examine(targets, SCENARIO.model_copy(update={"steps": steps}), Machine(watched_s=0))
    (said,) = (check.remark for check in found.at("problem") if check.name == "targets")
    assert said.found == "arms.baseline.services.host: expected a value, which step kdc_tgs_host needs, got none"


def test_an_exception_of_our_own_is_told_as_ours_with_its_place_and_blames_no_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def choke(probe: Probe, _: StepClock) -> Iterator[Remark]:
        yield ok(secret.decode())

    secret = b"\xe5 do not show"
    monkeypatch.setattr("harness.doctor.examine.ARM_CHECKS", (ArmCheck("credentials", choke),))
    targets = Targets.model_validate({"arms": {"baseline": TARGET}})
    (said,) = (it.remark for it in examine(targets, None, Machine(watched_s=0)).checks if it.where == "baseline")
    assert said.level == "problem"
    assert said.found.startswith("authgate itself failed in this check (UnicodeDecodeError at doctor/examine.py:")
    assert "server" not in said.advice and "do not show" not in str(said)


# What is told.


@pytest.mark.parametrize(("remark", "code", "word"), [(ok("fine"), 0, "ready"), (problem("bad", "x"), 2, "not ready")])
def test_the_exit_code_and_the_last_line_say_whether_there_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], remark: Remark, code: int, word: str
) -> None:
    found = Diagnosis((Check("baseline", "KDC", remark),))
    monkeypatch.setattr("harness.cli.doctor.examine", lambda *_: found)
    assert main(["doctor"]) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{word}: ")
    assert main(["doctor", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["ready"] is (code == 0)


def test_what_a_server_says_of_itself_changes_no_terminal() -> None:
    hostile = replace(warning("x", "fix it"), found="[red]name\x1b[2J\nnext")
    console = Console(width=120)
    with console.capture() as said:
        print_diagnosis(Diagnosis((Check("baseline", "controller", hostile),)), console)
    assert r"[red]name\x1b[2J\nnext" in said.get()
    assert "→ fix it" in said.get()


def test_the_document_has_each_check_with_its_advice() -> None:
    found = diagnosis_json(Diagnosis((Check("candidate", "KDC", problem("no answer", "start it")),)))
    assert found["checks"] == [
        {"where": "candidate", "check": "KDC", "level": "problem", "found": "no answer", "advice": "start it"}
    ]
    assert found["counts"] == {"ok": 0, "warning": 0, "problem": 1, "n/a": 0}


@pytest.mark.parametrize(("level", "advice"), [("ok", "do"), ("problem", ""), ("warning", ""), ("n/a", "do")])
def test_what_is_amiss_and_nothing_else_comes_with_advice(level: Any, advice: str) -> None:
    with pytest.raises(ValueError, match="advice"):
        Remark(level, "found", advice)
