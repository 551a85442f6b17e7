"""A first targets file is written from what a real domain says of itself, and logs in once it is filled in."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.cli.main import main
from harness.config.load import load_scenario, load_targets
from harness.lab.ad.domain import AdLab

pytestmark = pytest.mark.integration

AD_LOGINS = Path(__file__).parents[1] / "data" / "ad-logins.tsv"


def test_a_domain_is_asked_and_its_files_log_in_once_accounts_are_there(
    require_ad_lab: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with AdLab(("baseline",)) as lab:
        lab.write_targets(tmp_path / "lab.yaml")
        known = load_targets(tmp_path / "lab.yaml").arms["baseline"]
        assert known.dns is not None
        out = tmp_path / "site"
        servers = [part for server in known.dns.servers for part in ("--dns", str(server))]
        assert main(["init", known.dns.domain, *servers, "--out", str(out)]) == 0, capsys.readouterr().err
        said = capsys.readouterr().out
        assert "Active Directory" in said and "KDC" in said
        found = load_targets(out / "targets.yaml").arms["baseline"]
        assert found.realm == known.realm
        assert found.directory.schema_kind == "ad"
        assert found.directory.service_host == known.directory.service_host
        assert found.kdcs == known.kdcs
        document = yaml.safe_load((out / "targets.yaml").read_text())
        document["arms"]["baseline"]["credentials"] = known.credentials.model_dump(exclude_none=True)
        directory = document["arms"]["baseline"]["directory"]
        directory["user_base"], directory["ca_file"] = known.directory.user_base, known.directory.ca_file
        (out / "filled.yaml").write_text(yaml.safe_dump(document))
        login = ["login", "clin00007", "--targets", str(out / "filled.yaml"), "--scenario", str(out / "scenario.yaml")]
        assert main(login) == 0, capsys.readouterr().out
        learned = tmp_path / "learned"
        traffic = ["--from-traffic", str(AD_LOGINS)]
        assert main(["init", known.dns.domain, *servers, *traffic, "--out", str(learned)]) == 0, capsys.readouterr().err
        scenario = load_scenario(learned / "scenario.yaml")
        assert "ldap_in_chain" in scenario.steps, "which only the capture's logins take"
        login[-1] = str(learned / "scenario.yaml")
        assert main(login) == 0, capsys.readouterr().out
