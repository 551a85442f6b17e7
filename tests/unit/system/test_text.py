"""Text of other programs: read as what it is, whatever its packing and encoding, or refused in words."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError, CredentialError
from harness.system.text import clipped, csv_header, csv_line, csv_rows, head, opened, strict_rows

TEXT = 'user,note\nåsa,"two\nlines"\nbo,€\n'


def write(folder: Path, raw: bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(raw)
    return path


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught, opened(path) as file:
        file.read()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_gzip_and_utf_16_are_told_by_what_a_file_begins_with(
    tmp_path: Path, encoding: str, packed: bool, name: str
) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    raw = mark + TEXT.encode(encoding)
    path = write(tmp_path, gzip.compress(raw) if packed else raw, name)
    if name.endswith(".gz") and not packed:
        with pytest.raises(ConfigError, match="expected a readable file, got: Not a gzipped file"):
            opened(path)
        return
    with opened(path) as file:
        assert file.read() == TEXT.encode()
    assert csv_header(path) == (["user", "note"], ",")
    assert list(csv_rows(path, ",")) == [(1, 2), (2, 2), (4, 2)]
    assert csv_line(path, ",", 1) == 4
    assert head(path).startswith("user,note\nåsa")


# A text that begins with U+0000 has in UTF-16 the first bytes of one in UTF-32.
@given(st.text(st.characters(codec="utf-16"), max_size=300).filter(lambda text: not text.startswith("\0")))
@settings(max_examples=50)
def test_text_in_utf_16_is_the_same_text_in_utf_8(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = write(tmp_path_factory.getbasetemp(), text.encode("utf-16"))
    with opened(path) as file:
        assert file.read().decode() == text


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"PK\x03\x04rest", "a.csv: expected text, got a zip archive: unpack it"),
        (bz2.compress(b"x"), "a.csv: expected text, got a file packed by bzip2: unpack it"),
        (lzma.compress(b"x"), "a.csv: expected text, got a file packed by xz: unpack it"),
        ("x,y".encode("utf-32"), "a.csv: expected text, got text in UTF-32: write it as UTF-8"),
        ("x,y".encode("utf-16-le"), "a.csv:1: expected text in UTF-8, got bytes of zero: UTF-16 needs its byte order"),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, raw)
    assert refused(Path("a.csv")).startswith(said)


@pytest.mark.parametrize("at", range(3, 60, 3))
def test_a_damaged_packing_is_an_error_of_reading_and_no_crash(tmp_path: Path, at: int) -> None:
    packed = bytearray(gzip.compress(TEXT.encode() * 50))
    for damaged in (bytes(packed[:at]), bytes(packed[:at]) + b"\xff\xff" + bytes(packed[at + 2 :])):
        path = write(tmp_path, damaged)
        try:
            with opened(path) as file:
                file.read()
        except (ConfigError, OSError, EOFError):
            continue
    path = write(tmp_path, b"\xff\xfea\x00\x00\xd8")
    with pytest.raises(OSError, match="UTF-16 damaged"), opened(path) as file:
        file.read()


def test_what_is_quoted_is_one_short_line() -> None:
    assert clipped("a\nb\x1b" + "c" * 10**6, 10) == "a\\nb\\x1bccc"[:10]


def test_a_row_of_secrets_is_a_line_and_a_stray_quote_is_named_by_it_and_never_quoted() -> None:
    rows = strict_rows('user,password\n\n"a, b","x ""y"""\n'.encode("utf-16"), "p.csv")
    assert rows == [(1, ["user", "password"]), (3, ["a, b", 'x "y"'])]
    for bad in ('anna,"secret\nbo,secret"\n', 'anna,"secret"s\nbo,x\n'):
        with pytest.raises(CredentialError) as caught:
            strict_rows(("user,password\n" + bad).encode(), "p.csv", error=CredentialError)
        assert str(caught.value) == (
            "p.csv:2: expected quotes around a whole field, closed on its own line and doubled within"
        )
    with pytest.raises(ConfigError, match=r"^p.csv:2: expected text in UTF-8$"):
        strict_rows(b"user,password\nanna,\xe5\n", "p.csv")
    assert strict_rows(b'anna,pass"word\n', "p.csv") == [(1, ["anna", 'pass"word'])]
