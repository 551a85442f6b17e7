"""Accounts read from files and variables."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import CredentialError
from harness.login.credentials import Accounts, Secret, read_accounts
from harness.model.credentials import Credentials
from tests.helpers.documents import CANARY
from tests.helpers.targets import REALM

Written = Callable[..., Path]


def refusal(credentials: Credentials) -> str:
    """Why credentials are refused; the whole chain of the exception must hold no password."""
    with pytest.raises(CredentialError) as caught:
        read_accounts(credentials, REALM)
    said = str(caught.value)
    assert CANARY not in said + repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return said


def test_accounts_are_numbered_in_the_order_of_the_file(secret_file: Written) -> None:
    path = secret_file(f'user,password\nzoe,{CANARY}\n\nadam,"with, a comma and ""quotes"""\neve,søt\n')
    found = read_accounts(Credentials(csv=str(path)), REALM)
    assert found.users == ("zoe", "adam", "eve")
    assert found.passwords["zoe"].reveal() == CANARY
    assert found.passwords["adam"].reveal() == 'with, a comma and "quotes"'
    assert found.passwords["eve"].reveal() == "søt"
    assert found.keytab is None


def test_a_file_as_a_spreadsheet_saves_it_has_no_account_called_user(secret_file: Written) -> None:
    path = secret_file(b"\xef\xbb\xbfuser,password\r\nzoe,secret\r\n")
    assert read_accounts(Credentials(csv=str(path)), REALM).users == ("zoe",)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o622, 0o610, 0o601, 0o777])
@pytest.mark.parametrize("kind", ["csv", "keytab"])
def test_a_file_that_others_may_touch_is_refused_with_the_command_that_mends_it(
    secret_file: Written, kind: str, mode: int
) -> None:
    path = secret_file(f"zoe,{CANARY}\n", mode)
    said = refusal(Credentials.model_validate({kind: str(path)}))
    assert said == f"{path}: expected a file that only its owner may read; run: chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_alone_is_read(secret_file: Written, mode: int) -> None:
    assert read_accounts(Credentials(csv=str(secret_file("zoe,x\n", mode))), REALM).users == ("zoe",)


LINES = [
    ("", ": expected lines user,password, got none"),
    ("user,password\n\n", ": expected lines user,password, got none"),
    (f"zoe,{CANARY}\nadam,x\nzoe,{CANARY}\n", ":3: expected each user once, got that of line 1 again"),
    (f"zoe,{CANARY},{CANARY}\n", ":1: expected user,password, got 3 fields or an empty one"),
    (f"zoe,x\n{CANARY}\n", ":2: expected user,password, got 1 fields or an empty one"),
    (f",{CANARY}\n", ":1: expected user,password, got 2 fields or an empty one"),
    ("zoe,\n", ":1: expected user,password, got 2 fields or an empty one"),
    (f"zoe,{CANARY}{'x' * 200_000}\n", ":1: expected fields of at most 1,024 characters, got more"),
]


@pytest.mark.parametrize(("content", "said"), LINES)
def test_lines_that_are_no_accounts_are_refused_by_number_alone(
    secret_file: Written, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    path = secret_file(content)
    assert refusal(Credentials(csv=str(path))) == f"{path}{said}"
    if len(content) < 100_000:  # the system's limit for one variable
        monkeypatch.setenv("CLINIC_ACCOUNTS", content)
        assert refusal(Credentials(env="CLINIC_ACCOUNTS")) == f"environment variable CLINIC_ACCOUNTS{said}"


def test_a_file_in_another_encoding_is_refused_without_a_byte_of_it(secret_file: Written) -> None:
    path = secret_file(f"zoe,{CANARY}\xe5".encode("latin-1"))
    assert refusal(Credentials(csv=str(path))) == (
        f"{path}:1: expected text in UTF-8, got another encoding, as of a file saved as ANSI; save it as CSV UTF-8"
    )


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLINIC_ACCOUNTS", raising=False)
    assert refusal(Credentials(env="CLINIC_ACCOUNTS")) == (
        "credentials.env: expected the environment variable CLINIC_ACCOUNTS, which is not set"
    )


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_accounts_are_read_from_a_variable_whatever_its_line_ends(monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    monkeypatch.setenv("CLINIC_ACCOUNTS", f"zoe,{CANARY}{ends}adam,x{ends}")
    assert read_accounts(Credentials(env="CLINIC_ACCOUNTS"), REALM).users == ("zoe", "adam")


@pytest.mark.parametrize("kind", ["csv", "keytab"])
def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path, kind: str) -> None:
    none, folder = tmp_path / "none", tmp_path / "folder"
    folder.mkdir(mode=0o700)
    said = refusal(Credentials.model_validate({kind: str(none)}))
    assert said == f"{none}: expected a readable file, got: No such file or directory"
    assert refusal(Credentials.model_validate({kind: str(folder)})).startswith(f"{folder}: expected a ")


def keytab(*principals: str) -> bytes:
    """A keytab of format 2 with one AES-256 key for each principal."""
    entries = b""
    for principal in principals:
        name, realm = principal.split("@")
        parts = name.split("/")
        body = struct.pack(">H", len(parts))
        for text in (realm, *parts):
            body += struct.pack(">H", len(text)) + text.encode()
        body += struct.pack(">IIBHH", 1, 0, 1, 18, 32) + CANARY.encode().ljust(32, b"\0")
        entries += struct.pack(">i", len(body)) + body
    return b"\x05\x02" + entries


def test_the_users_of_a_keytab_are_its_entries_of_the_realm_without_services(secret_file: Written) -> None:
    path = secret_file(
        keytab(f"zoe@{REALM}", f"host/pc@{REALM}", "eve@OTHER.TEST", f"adam@{REALM}", f"zoe@{REALM}")
    )  # fmt: skip
    found = read_accounts(Credentials(keytab=str(path)), REALM)
    assert found.users == ("zoe", "adam")
    assert (found.passwords, found.keytab) == ({}, path)


@pytest.mark.parametrize("content", [b"", CANARY.encode(), b"\x05\x02", keytab("zoe@OTHER.TEST"), keytab("zoe@X")[:30]])
def test_a_keytab_without_users_of_the_realm_is_refused(secret_file: Written, content: bytes) -> None:
    path = secret_file(content)
    assert refusal(Credentials(keytab=str(path))).startswith(f"{path}: expected ")


def test_too_few_accounts_are_refused_before_the_load() -> None:
    accounts = Accounts(("zoe", "adam"), {"zoe": Secret(CANARY), "adam": Secret(CANARY)})
    assert accounts.first(2, "a.csv") == ("zoe", "adam")
    with pytest.raises(CredentialError, match=r"a\.csv: expected 3 accounts \(population\.users\), got 2"):
        accounts.first(3, "a.csv")


def test_no_text_made_of_accounts_holds_a_password(secret_file: Written) -> None:
    secret = Secret(CANARY)
    accounts = read_accounts(Credentials(csv=str(secret_file(f"zoe,{CANARY}\n"))), REALM)
    texts = [f"{secret}", repr(secret), f"{secret!s:>40}", "%s" % secret, repr(accounts), str(accounts)]  # noqa: UP031
    texts += [repr({"zoe": secret}), repr(ValueError(secret)), str(vars(type(secret)).get("__slots__"))]
    assert not [text for text in texts if CANARY in text]
    assert secret.reveal() == CANARY
