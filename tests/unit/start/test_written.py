"""What is written loads, sends nothing before somebody agrees, and holds nothing that a server has smuggled in."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.cli.main import main
from harness.config.load import load_scenario, load_targets
from harness.errors import UnsafeTargetError
from harness.guards.consent import check_safe
from harness.login.dns.locate import ServiceRecord
from harness.login.ldap.netlogon import DomainController
from harness.model.endpoint import Endpoint
from harness.start.discover import Controller, Domain
from harness.start.written import scenario_yaml, summary, targets_yaml

DNS = (Endpoint(host="192.0.2.53", port=53),)


def controller(number: int, ad: bool = True, tls: bool = True, said: str = "main") -> Controller:
    host = f"dc{number}.clinic.example"
    netlogon = DomainController(host, "clinic.example", "clinic.example", said, said, 0x1 | 0x20) if ad else None
    return Controller(
        host, 389, (f"192.0.2.{number}",), netlogon, "DC=clinic,DC=example" if ad else "", ("GSSAPI",), tls
    )


def domain(*controllers: Controller) -> Domain:
    kdcs = tuple(ServiceRecord(0, 100, 88, one.host) for one in controllers)
    return Domain("clinic.example", DNS, kdcs, controllers)


def written(tmp_path: Path, found: Domain, candidate: Controller | None = None) -> Path:
    path = tmp_path / "targets.yaml"
    path.write_text(targets_yaml(found, found.controllers[0], candidate))
    return path


@pytest.mark.parametrize("ad", [True, False])
@pytest.mark.parametrize("tls", [True, False])
def test_both_files_load(tmp_path: Path, ad: bool, tls: bool) -> None:
    found = domain(controller(1, ad, tls), controller(2, ad, tls))
    targets = load_targets(written(tmp_path, found, found.controllers[1]))
    assert targets.arms["baseline"].directory.service_host == "dc1.clinic.example"
    assert targets.arms["candidate"].kdcs[0].host == "192.0.2.2"
    assert targets.arms["baseline"].directory.tls == tls
    (tmp_path / "scenario.yaml").write_text(scenario_yaml(found, 5, 200))
    scenario = load_scenario(tmp_path / "scenario.yaml")
    assert not [line for arm in targets.arms.values() for line in arm.lacks(scenario.step_order)]


def test_one_server_leaves_the_other_arm_to_be_filled_in(tmp_path: Path) -> None:
    path = written(tmp_path, domain(controller(1)))
    assert list(load_targets(path).arms) == ["baseline"]
    uncommented = path.read_text().replace("  # candidate:", "  candidate:").replace("  #  ", "    ")
    assert set(yaml.safe_load(uncommented)["arms"]) == {"baseline", "candidate"}


def test_nothing_is_sent_by_it_before_somebody_has_agreed(tmp_path: Path) -> None:
    found = domain(controller(1), controller(2))
    (tmp_path / "scenario.yaml").write_text(scenario_yaml(found, 5, 200))
    targets, scenario = (
        load_targets(written(tmp_path, found, found.controllers[1])),
        load_scenario(tmp_path / "scenario.yaml"),
    )
    with pytest.raises(UnsafeTargetError) as said:
        check_safe(targets, scenario, targets.arms)
    assert "allow" in str(said.value) and "max_rate" in str(said.value)


def test_what_a_server_says_stays_in_its_line(tmp_path: Path) -> None:
    evil = "x\narms: {}\n#\x1b[31m\"'"
    one = controller(1, said=evil)
    one = Controller(one.host, 389, one.addresses, one.netlogon, f"DC={evil}", (evil,), True)
    targets = load_targets(written(tmp_path, domain(one, controller(2, said=evil))))
    assert targets.arms["baseline"].directory.user_base == f"DC={evil}"
    assert all(line.isprintable() for line in summary(domain(one)))


def test_files_that_are_there_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "targets.yaml").write_text("mine")
    assert main(["init", "clinic.example", "--dns", "127.0.0.1:9", "--out", str(tmp_path)]) == 2
    assert "not written over" in capsys.readouterr().err
    assert (tmp_path / "targets.yaml").read_text() == "mine"


def test_a_domain_that_nobody_knows_is_an_error_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "clinic.example", "--dns", "127.0.0.1:9", "--out", str(tmp_path)]) == 2
    assert "expected SRV records of its directory servers from 127.0.0.1:9" in capsys.readouterr().err
    assert main(["init", "clinic.example", "--dns", "dns.example", "--out", str(tmp_path)]) == 2
    assert "servers: " in capsys.readouterr().err
