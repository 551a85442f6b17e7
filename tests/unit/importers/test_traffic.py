"""What is learned of captured traffic, from a real summary and from planted ones."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.main import main
from harness.config.load import load_scenario
from harness.errors import ConfigError
from harness.importers.traffic.learn import (
    BY_NTLM,
    MACHINES,
    NAMES_MISSING,
    NO_LOGIN,
    NO_TYPE,
    OTHER_TICKETS,
    SEALED,
    learn,
)
from harness.importers.traffic.scenario import scenario_yaml
from harness.importers.traffic.summary import read_summary
from harness.model.rates import LadderRate
from harness.model.scenario import Scenario

AD_LOGINS = Path(__file__).parents[2] / "data" / "ad-logins.tsv"
"""8 cold logons and 5 warm ones to a Samba domain controller, 2 s apart: captured by tshark, unsealed by the domain
controller's keytab, and summarised by Samba 4.17's traffic_summary.pl."""
DC = "1"


def line(at_s: float, client: int, protocol: str, opcode: object, *extra: str, answer: bool = False) -> str:
    ends = (DC, str(client)) if answer else (str(client), DC)
    return "\t".join((f"{at_s:.6f}", "06", str(client), *ends, protocol, str(opcode), "said", *extra)) + "\n"


def bind(at_s: float, client: int, kind: str = "3", oid: str = "1.3.6.1.5.5.2") -> str:
    return line(at_s, client, "ldap", 0, "", "", "", "", kind, "sasl", oid)


def cold(at_s: float, client: int, kind: str = "user") -> str:
    """An AS exchange and a bind by its ticket."""
    asked, answered = line(at_s, client, "kerberos", 10, kind), line(at_s + 0.01, client, "kerberos", 11, answer=True)
    ticket = line(at_s + 0.02, client, "kerberos", 13, "", answer=True)
    return asked + answered + ticket + bind(at_s + 0.03, client)


def written(folder: Path, lines: Iterable[str]) -> Path:
    path = folder / "summary.tsv"
    path.write_text("".join(lines))
    return path


def scenario_of(path: Path, apart_s: float = 30.0) -> Scenario:
    """The scenario that is learned of a summary, read back from its text as any scenario is."""
    made = path.with_name("made.yaml")
    made.write_text(scenario_yaml(learn(read_summary(path), apart_s), "learned", str(path), apart_s))
    return load_scenario(made)


def test_the_logons_of_a_real_capture_are_counted_and_their_steps_known(tmp_path: Path) -> None:
    learned = learn(read_summary(AD_LOGINS), apart_s=1.0)
    assert (len(learned.cold), len(learned.warm), learned.clients) == (8, 5, 1)
    assert learned.steps == (
        "cldap_ping", "kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_rootdse", "ldap_bind", "ldap_own_entry",
        "ldap_token_groups", "ldap_in_chain",
    )  # fmt: skip
    # Each cold logon had asked for two names, and for a ticket for the workstation besides the directory's.
    assert (learned.left_out[NAMES_MISSING], learned.left_out[OTHER_TICKETS]) == (16, 8)
    (tmp_path / "ad.tsv").write_bytes(AD_LOGINS.read_bytes())
    found = scenario_of(tmp_path / "ad.tsv", apart_s=1.0)
    assert found.steps == learned.steps
    assert found.population.cold_share == pytest.approx(8 / 13, abs=1e-4)
    assert found.arrivals.peak == pytest.approx(13 / learned.span_s, rel=1e-3)


def test_what_is_sealed_is_left_out_and_said(tmp_path: Path) -> None:
    after_bind = ("sAMAccountName", "tokenGroups", "1.2.840.113556.1.4.1941")
    sealed = [
        "\t".join((*one.split("\t")[:6], "", "*** Unknown ***\n")) if any(word in one for word in after_bind) else one
        for one in AD_LOGINS.read_text().splitlines(keepends=True)
    ]
    learned = learn(read_summary(written(tmp_path, sealed)), apart_s=1.0)
    assert (len(learned.cold), len(learned.warm)) == (8, 5)
    assert learned.steps[-1] == "ldap_bind"
    open_before = learn(read_summary(AD_LOGINS), apart_s=1.0).left_out[SEALED]
    assert learned.left_out[SEALED] == open_before + 3 * 13


def test_the_rates_of_a_long_capture_are_those_of_its_logins_at_their_times(tmp_path: Path) -> None:
    rng = np.random.default_rng(2016)
    times = np.sort(np.concatenate((rng.uniform(0, 600, 60), rng.uniform(600, 1200, 600))))
    path = written(tmp_path, (cold(float(at_s), 2 + number) for number, at_s in enumerate(times)))
    found = scenario_of(path)
    assert isinstance(found.arrivals, LadderRate)
    assert sum(found.arrivals.rates) * found.arrivals.every_s == pytest.approx(len(times), rel=1e-2)
    assert np.mean([found.arrivals.at(t) for t in range(0, 530, 10)]) == pytest.approx(0.1, rel=0.1)
    assert np.mean([found.arrivals.at(t) for t in range(670, 1190, 10)]) == pytest.approx(1.0, rel=0.1)
    assert found.blocks.pairs * found.blocks.length_s >= 1190
    assert (found.population.users, found.population.cold_share) == (660, 1)


def test_many_users_behind_one_address_are_as_many_cold_logins(tmp_path: Path) -> None:
    path = written(tmp_path, [cold(float(second), client=2) for second in range(20)])
    assert len(learn(read_summary(path), apart_s=30.0).cold) == 20


def test_machines_are_no_clinicians(tmp_path: Path) -> None:
    lines = [cold(0, 2), cold(100, 3, "machine"), bind(200, 2), cold(300, 4, "")]
    learned = learn(read_summary(written(tmp_path, lines)), apart_s=30.0)
    assert (len(learned.cold), len(learned.warm), learned.left_out[MACHINES]) == (2, 1, 1)


def test_what_is_no_login_is_counted_and_left_out(tmp_path: Path) -> None:
    lines = [
        cold(0, 2),
        bind(50, 3, oid="1.3.6.1.4.1.311.2.2.10"),
        line(60, 4, "cldap", 3, "", "", "(NtVer)"),
        line(61, 5, "kerberos", ""),
        line(62, 6, "rpc_netlogon", 39),
    ]
    learned = learn(read_summary(written(tmp_path, lines)), apart_s=30.0)
    assert (learned.logins, learned.clients) == (1, 1)
    expected = {BY_NTLM: 1, NO_LOGIN: 1, NO_TYPE: 1, "packets of rpc_netlogon, which no step of a login speaks": 1}
    assert learned.left_out == expected


def test_a_capture_of_simple_binds_gives_a_scenario_of_them(tmp_path: Path) -> None:
    found = scenario_of(written(tmp_path, [bind(100.0 * n, 2, "0", "") for n in range(4)]))
    assert found.steps == ("ldap_connect", "ldap_simple_bind")
    assert found.population.cold_share == 0


def test_where_tls_hides_the_directory_the_cold_logins_remain(tmp_path: Path) -> None:
    exchange = [line(at_s, 2, "kerberos", 11, answer=True) for at_s in (0.0, 100.0)]
    found = scenario_of(written(tmp_path, exchange))
    assert (found.steps, found.population.cold_share) == (("kdc_as",), 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "x.tsv: expected AS exchanges or binds over a second or more, got none"),
        (cold(0, 2).encode() + b"1.0\t06\t1\n", "x.tsv:5: expected time, IP protocol, stream, source, destination, "
         "protocol, opcode, description, separated by tabs, got 3 of these fields"),
        (line(0, 2, "dns", 0).replace("0.000000", "noon").encode(),
         'x.tsv:1: time: expected seconds since 1970, got "noon"'),
        (line(0, 2, "dns", 0).replace("0.000000", "nan").encode(), "x.tsv:1: time: expected seconds"),
        (line(0, 2, "dns", 0).replace("0.000000", "9" * 300).encode(), "x.tsv:1: time: expected seconds since 1970"),
        (line(0, 2, "x" * 100_000, 0).encode(), "x.tsv: expected AS exchanges or binds over a second or more"),
        (line(0, 2, "", 0).encode(), "x.tsv:1: protocol: expected a value, got none"),
        (b"\n\n\xff\xfe\t\n", "x.tsv:3: expected text in UTF-8"),
        (b"<?xml version=\"1.0\"?>\n<pdml>", "x.tsv: expected a summary of traffic, got tshark's PDML"),
        (b"\x0a\x0d\x0d\x0a rest of a pcapng", "x.tsv: expected a summary of traffic, got a capture"),
        (b"{\"version\": 2}", "x.tsv: expected a summary of traffic, got a model of traffic_learner"),
        (line(0, 2, "kerberos", "").encode() + line(9, 2, "kerberos", "").encode(),
         f"x.tsv: left out: {NO_TYPE}: 2"),
    ],
)  # fmt: skip
def test_a_file_that_teaches_nothing_is_refused_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    (tmp_path / "x.tsv").write_bytes(content)
    assert main(["import", "traffic", str(tmp_path / "x.tsv")]) == 2
    out, err = capsys.readouterr()
    assert said in err.replace(f"{tmp_path}/", "")
    assert out == ""


def test_the_command_prints_a_scenario_by_the_files_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "On 17.tsv.gz"
    packed.write_bytes(gzip.compress(AD_LOGINS.read_bytes()))
    assert main(["import", "traffic", str(packed), "--apart-s", "1"]) == 0
    (tmp_path / "learned.yaml").write_text(capsys.readouterr().out)
    assert load_scenario(tmp_path / "learned.yaml").name == "on-17"
    assert main(["import", "traffic", str(packed), "--name", "No Name"]) == 2
    assert main(["import", "traffic", str(tmp_path / "absent.tsv")]) == 2
    assert "absent.tsv: expected a readable file" in capsys.readouterr().err


_PACKETS = st.tuples(
    st.floats(0, 2000) | st.floats(0, 1e7),
    st.integers(1, 4),
    st.sampled_from(["kerberos", "ldap", "cldap", "dns", "smb2"]),
    st.sampled_from(["", "0", "1", "2", "3", "5", "10", "11", "13", "30"]),
    st.lists(st.sampled_from(["", "0", "2", "3", "machine", "(sAMAccountName)", "tokenGroups", "1.3.6.1.5.5.2"])),
    st.booleans(),
)


@given(st.lists(_PACKETS, max_size=40), st.floats(0.1, 100))
def test_any_packets_give_a_scenario_that_can_be_read_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory,
    packets: list[tuple[float, int, str, str, list[str], bool]],
    apart_s: float,
) -> None:
    lines = (line(at_s, client, *what, *extra, answer=answer) for at_s, client, *what, extra, answer in packets)
    path = written(tmp_path_factory.getbasetemp(), lines)
    learned = learn(read_summary(path), apart_s)
    try:
        found = scenario_of(path, apart_s)
    except ConfigError as error:
        assert "expected AS exchanges or binds" in str(error)
        assert not learned.steps or learned.span_s < 1
    else:
        assert found.steps == learned.steps
