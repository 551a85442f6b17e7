"""What the machine must have is listed once, and what is missing is told with the command that installs it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.doctor.examine import examine
from harness.doctor.machine import Machine
from harness.model.exit_codes import USAGE_ERROR
from harness.model.scenario import Scenario
from harness.system import packages
from harness.system.packages import install_command, look, needs
from tests.helpers.running import SCENARIO

ROOT = Path(__file__).parents[3]
GROUPS = ("setup", "build", "library", "embedded", "pbkdf2", "argon2", "ad", "sso", "tests")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a machine on which nothing is installed."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(packages, "SBIN", ())
    return tmp_path


def test_every_need_is_of_a_known_group_and_found_by_programs_or_by_files_not_by_both() -> None:
    assert {need.group for need in needs()} == set(GROUPS)
    for need in needs():
        assert len({"/" in each for each in need.shown_by}) == 1, need
        assert all(each.startswith("/") for each in need.shown_by if "/" in each), need
        assert "/" in need.shown_by[0] or len(need.shown_by) == 1, need


def test_names_are_told_apart_within_a_group() -> None:
    for group in GROUPS:
        names = [need.name for need in needs() if need.group == group]
        assert len(names) == len(set(names)), group


def test_a_file_is_found_below_the_root_and_a_program_in_the_path(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres = bare / "usr/lib/postgresql/15/bin/postgres"
    samba = bare / "bin/samba"
    for path in (postgres, samba):
        path.parent.mkdir(parents=True)
        path.touch(0o755)
    monkeypatch.setenv("PATH", str(samba.parent))
    found, missing = look("ad", root=bare)
    assert found["postgres"] == (postgres,)
    assert found["samba"] == (samba,)
    assert "samba" not in [need.name for need in missing]
    assert "samba-tool" in [need.name for need in missing]


def test_each_package_is_named_once_in_the_command() -> None:
    embedded = [need for need in needs() if need.group == "embedded"]
    assert install_command(embedded) == (
        "apt-get install --no-install-recommends krb5-kdc krb5-admin-server krb5-user krb5-pkinit slapd ldap-utils "
        "libsasl2-modules-gssapi-mit openssl"
    )


def test_the_doctor_alone_lists_all_that_is_missing_with_the_command_that_installs_it(bare: Path) -> None:
    told = {check.name: check.remark for check in examine(None, None, Machine(bare, watched_s=0)).checks}
    for name, program, package in (
        ("build of krb5, gssapi", "krb5-config", "libkrb5-dev"),
        ("embedded domain", "krb5kdc", "krb5-kdc"),
        ("embedded domain", "slapd", "slapd"),
        ("AD lab", "samba", "samba"),
    ):
        assert told[name].level == "warning"
        assert program in told[name].found
        assert "apt-get install --no-install-recommends " in told[name].advice
        assert package in told[name].advice.split()


def test_who_names_servers_or_a_scenario_is_not_told_of_labs(bare: Path) -> None:

    checks = examine(None, Scenario.model_validate(SCENARIO), Machine(bare, watched_s=0)).checks
    assert "AD lab" not in {check.name for check in checks}


def test_a_library_that_is_missing_is_told_with_its_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_: str) -> None:
        raise ImportError("libgssapi_krb5.so.2: cannot open shared object file: No such file or directory")

    monkeypatch.setattr("harness.cli.main.importlib.import_module", failing)
    assert main(["login"]) == USAGE_ERROR
    assert capsys.readouterr().err.endswith("; run as root: apt-get install --no-install-recommends libgssapi-krb5-2\n")


def test_another_import_that_fails_is_no_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: str) -> None:
        raise ImportError("no such thing")

    monkeypatch.setattr("harness.cli.main.importlib.import_module", failing)
    with pytest.raises(ImportError, match="no such thing"):
        main(["login"])


def test_set_up_reads_the_same_list_and_names_the_command_where_it_may_not_install(tmp_path: Path) -> None:
    """The script on a machine with no more than a shell's programs, and neither root nor sudo."""
    script = tmp_path / "a checkout" / ".ci" / "packages"
    listed = tmp_path / "a checkout" / "harness" / "system" / "packages.txt"
    for path, original in ((script, ".ci/packages"), (listed, "harness/system/packages.txt")):
        path.parent.mkdir(parents=True)
        shutil.copy(ROOT / original, path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, does in (("id", "echo 1000"), ("sudo", "exit 1"), ("apt-get", "exit 1"), ("there", "exit 0")):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(stat.S_IRWXU)
    for name in ("sh", "dirname"):
        (programs / name).symlink_to(shutil.which(name) or "")
    # Only what the script adds to the PATH by itself could have these.
    here, gone = tmp_path / "here-1.so", tmp_path / "gone"
    here.touch()
    listed.write_text(
        f"# a comment\n\nembedded there-package there\nembedded file-package {gone}/* {tmp_path}/here-*.so\n"
        f"embedded gone-package no-such-program-anywhere\nad ad-package {gone}\nsetup other-package {gone}/*\n"
        f"embedded gone-package {gone}\n"
    )
    env = {"PATH": str(programs), "HOME": os.devnull}
    done = subprocess.run([script], env=env, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].strip() == (
        "apt-get update && apt-get install -y --no-install-recommends gone-package other-package"
    )
    done = subprocess.run([script, "--test"], env=env, capture_output=True, text=True, check=False, timeout=30)
    assert "gone-package ad-package other-package" in done.stderr
