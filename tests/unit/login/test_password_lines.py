"""The CSV of passwords: read as it is meant, or refused with the line and without a word of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import CredentialError
from harness.login.credentials import Accounts, read_accounts
from harness.login.password_lines import LONGEST, accounts_in, decoded
from harness.model.credentials import Credentials
from tests.helpers.documents import CANARY

CASES = Path(__file__).parents[2] / "data" / "cases"
REALM = "CLINIC.TEST"
LAB = "PASSWORD-OF-THE-LAB"


def read(data: bytes, folder: Path) -> Accounts:
    """The accounts of a file with this content."""
    path = folder / "accounts.csv"
    path.write_bytes(data)
    path.chmod(0o600)
    return read_accounts(Credentials(csv=str(path)), REALM)


def refusal(data: bytes, folder: Path) -> str:
    """What is said of the content, without the file's path; none of it may be quoted."""
    with pytest.raises(CredentialError) as caught:
        read(data, folder)
    said = str(caught.value).removeprefix(str(folder / "accounts.csv"))
    assert CANARY not in said
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return said


def found(accounts: Accounts) -> dict[str, str]:
    return {user: accounts.passwords[user].reveal() for user in accounts.users}


# Files from the field.


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("stray-quote", 1, "quotes that end in its line"),
        ("stray-quote-end", 1, "quotes that end in its line"),
        ("sep", 1, "for Excel alone (sep=); delete it"),
        ("typeinfo", 1, "for PowerShell alone (#TYPE); delete it"),
        ("spaces", 1, "a user without spaces around it"),
    ],
)
def test_a_file_that_could_be_read_in_two_ways_is_refused_with_its_line(
    tmp_path: Path, name: str, line: int, words: str
) -> None:
    said = refusal((CASES / f"passwords-{name}.csv").read_bytes(), tmp_path)
    assert said.startswith(f":{line}: expected ")
    assert words in said
    assert LAB not in said and "Pa55" not in said


def test_a_header_that_calls_the_user_username_is_no_account(tmp_path: Path) -> None:
    accounts = read((CASES / "passwords-header-username.csv").read_bytes(), tmp_path)
    assert found(accounts) == {"clin00007": LAB, "clin00008": LAB}


# Headers, separators, encodings.


@pytest.mark.parametrize(
    "header",
    [
        "user,password",
        "USERNAME,PASSWORD",
        '"SamAccountName","Password"',
        "user , password",
        "userprincipalname,password",
    ],
)
def test_a_header_of_any_case_is_no_account(tmp_path: Path, header: str) -> None:
    assert found(read(f"{header}\r\nzoe,x\r\n".encode(), tmp_path)) == {"zoe": "x"}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_another_separator_is_shown_by_the_header_and_a_comma_is_then_part_of_a_password(
    tmp_path: Path, separator: str
) -> None:
    text = f'user{separator}password\nzoe{separator}a,b\nadam{separator}"c{separator}d"\n'
    assert found(read(text.encode(), tmp_path)) == {"zoe": "a,b", "adam": f"c{separator}d"}


def test_a_semicolon_is_part_of_a_password_where_the_separator_is_a_comma(tmp_path: Path) -> None:
    assert found(read(b"zoe,a;b\n", tmp_path)) == {"zoe": "a;b"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"zoe;{CANARY}\n", ":1: expected user,password, got 1 fields or an empty one; a file with another separator "
         "than a comma begins with its header"),
        (f"zoe;{CANARY},x\n", ":1: expected user,password, got another separator in the user; begin the file with its "
         "header"),
        (f"Name,Password\nzoe,{CANARY}\n", ":1: expected the header user,password or username,password, got another; "
         "if this line is an account, put that header before it"),
        (f"password,user\n{CANARY},zoe\n", ":1: expected the header user,password or username,password, got another; "
         "if this line is an account, put that header before it"),
        (f"#zoe,{CANARY}\n", ":1: expected user,password, got a line that begins with #; delete it, or quote the user"),
        (f"adam,x\nzoe, {CANARY}\n", ":2: expected a password without spaces around it, or in quotes if they are part "
         "of it"),
        (f"adam,x\n\n\nzoe,{CANARY}\x00\n", ":4: expected text in UTF-8, got NUL characters, as of UTF-16 without its "
         "mark; save it as CSV UTF-8"),
        (f"adam,x\rzoe,{CANARY}\ufffd\r", ":2: expected printable text in UTF-8, got a control character or one that a "
         "conversion has lost"),
        (f"Zoe,x\nzoe,{CANARY}\n", ":2: expected each user once, got that of line 1 again"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_with_what_to_do_and_without_its_content(
    tmp_path: Path, text: str, said: str
) -> None:
    assert refusal(text.encode(), tmp_path) == said


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_that_says_its_encoding_is_read_whatever_tool_wrote_it(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding.startswith("utf-16-") else ""
    data = f"{mark}User,Password\r\nåsa,lösen\r\n".encode(encoding)
    assert found(read(data, tmp_path)) == {"åsa": "lösen"}


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le"])
def test_a_file_in_another_encoding_is_refused_with_the_line(tmp_path: Path, encoding: str) -> None:
    said = refusal(f"user,password\r\nadam,x\r\n{CANARY},lösen\r\n".encode(encoding), tmp_path)
    assert said.startswith(":3: expected text in UTF-8" if encoding == "cp1252" else ":1: expected text in UTF-8")


# What holds of any text.

FIELD = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
USERS = st.from_regex(r"[a-zåäö][a-z0-9åäö.$-]{0,15}", fullmatch=True).filter(lambda user: user != "user")
PASSWORDS = FIELD.filter(lambda text: "\ufffd" not in text)


@given(st.lists(st.tuples(USERS, PASSWORDS), min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_accounts_written_by_a_csv_writer_are_read_as_they_were_written(
    accounts: list[tuple[str, str]], ends: str
) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=ends).writerows([("user", "password"), *accounts])
    assert [(user, password) for _, user, password in accounts_in(file.getvalue(), "a.csv")] == accounts


@given(st.text(max_size=60) | st.text(st.sampled_from('ab,;"\n\r =#'), max_size=30))
def test_no_field_is_more_than_a_part_of_the_line_that_it_is_said_to_be_in(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    try:
        for number, user, password in accounts_in(text, "a.csv"):
            assert len(user) + len(password) < len(lines[number - 1]) <= 2 * LONGEST
    except CredentialError as error:
        number = int(str(error).split(":")[1])
        assert lines[number - 1].strip()


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_read_or_refused_with_a_line(data: bytes) -> None:
    try:
        list(accounts_in(decoded(data, "a.csv"), "a.csv"))
    except CredentialError as error:
        assert int(str(error).split(":")[1]) >= 1
