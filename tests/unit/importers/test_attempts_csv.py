"""Attempts of another tool: paired as they were measured, joined whatever their order, refused with file and line."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.importers.attempts_csv import COLUMNS, Foreign, read_attempts
from harness.model.attempt import STATUSES
from harness.model.target import ARMS

HEADER = ",".join(COLUMNS)
BLOCK_S = 15.0
Read = Callable[..., Foreign]
Refused = Callable[..., str]


def rows_of(order: str, logins: int = 3) -> list[str]:
    """Blocks of 15 s in the order of their letters, A for baseline and B for candidate; D is both arms at once."""
    rows = []
    for block, letter in enumerate(order):
        for arm in ARMS if letter == "D" else (ARMS["AB".index(letter)],):
            for login in range(logins):
                at = f"{arm},{block},{block * BLOCK_S + login + (0.25 if arm == 'candidate' else 0):.3f}"
                rows += [f"{at},bind,0.0{login + 1},1", f"{at},search,0.00{login + 1},1", f"{at},login,0.1{login},1"]
    return rows


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """What is read from the rows beneath the header."""

    def from_rows(rows: list[str], trim_s: float = 4.0) -> Foreign:
        path = tmp_path / "a.csv"
        path.write_text("\n".join([HEADER, *rows]) + "\n")
        return read_attempts(path, trim_s, 10.0)

    return from_rows


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Why a file is refused."""
    monkeypatch.chdir(tmp_path)

    def said(content: str | bytes) -> str:
        Path("a.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(ConfigError) as caught:
            read_attempts(Path("a.csv"), 0.0, 10.0)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return said


def pairs_by_block(found: Foreign) -> list[int]:
    blocks, first = np.unique(found.table.block, return_index=True)
    assert blocks.tolist() == list(range(len(blocks)))
    return found.table.pair[first].tolist()


@pytest.mark.parametrize(
    ("order", "pairs", "interleaved"),
    [
        ("AB", [0, 0], True),
        ("ABBA", [0, 0, 1, 1], True),
        ("BAABAB", [0, 0, 1, 1, 2, 2], True),
        ("ABBAA", [0, 0, 1, 1, -1], True),
        ("AAABBB", [0, 1, 2, 0, 1, 2], False),
        ("BBBAAA", [0, 1, 2, 0, 1, 2], False),
        ("AABB", [0, 1, 0, 1], False),
        ("AAABB", [0, 1, -1, 0, 1], False),
        ("ABAABB", [0, 0, 1, 2, 1, 2], False),
    ],
)
def test_blocks_are_paired_in_order_and_arms_that_took_turns_are_told_from_those_that_did_not(
    read: Read, order: str, pairs: list[int], interleaved: bool
) -> None:
    found = read(rows_of(order))
    assert pairs_by_block(found) == pairs
    assert found.pairs == tuple(range(max(pairs) + 1))
    assert found.design.interleaved is interleaved
    assert found.design.horizon_pairs == max(pairs) + 1


def test_arms_that_ran_at_once_in_one_block_are_a_pair_each_block(read: Read) -> None:
    found = read(rows_of("DDD"))
    assert pairs_by_block(found) == [0, 1, 2]
    assert found.pairs == (0, 1, 2)
    assert found.design.interleaved
    assert set(zip(found.table.pair.tolist(), found.table.arm.tolist(), strict=True)) == {
        (pair, arm) for pair in range(3) for arm in range(2)
    }


def test_the_cut_of_the_run_is_read_from_its_blocks(read: Read) -> None:
    design = read(rows_of("ABBA"), trim_s=2.5).design
    assert design.block_s == pytest.approx(BLOCK_S, abs=0.5)
    assert (design.trim_s, design.timeout_s) == (2.5, 10.0)
    offsets = read(rows_of("ABBA")).table.offset_s
    np.testing.assert_allclose(offsets, [0, 1, 2] * 4, atol=1e-9)


def test_block_numbers_may_have_gaps_however_wide(read: Read) -> None:
    rows = [row.replace(",1,", ",4000000000,", 1) for row in rows_of("AB")]
    assert pairs_by_block(read(rows)) == [0, 0]


def test_a_login_keeps_its_time_and_a_failed_one_counts_as_an_error(read: Read) -> None:
    rows = ["baseline,0,0.5,login,0.25,TRUE", "candidate,1,15.5,login,0.75,no"]
    table = read(rows).table
    assert table.response_s.tolist() == [0.25, 0.75]
    assert table.intended_s.tolist() == [0.5, 15.5]
    assert [STATUSES[code] for code in table.status] == ["ok", "error"]


@pytest.mark.parametrize("seed", range(5))
def test_steps_join_their_logins_whatever_the_order_of_the_rows(read: Read, seed: int) -> None:
    rows = rows_of("ABBA")
    random.Random(seed).shuffle(rows)
    found = read(rows)
    table = found.table
    assert sorted(found.steps) == ["bind", "search"]
    for name, scale in (("bind", 0.01), ("search", 0.001)):
        steps = table.steps[name]
        assert sorted(steps.row.tolist()) == list(range(12))
        login = np.round((table.response_s[steps.row] - 0.1) * 100)
        np.testing.assert_allclose(steps.service_s, (login + 1) * scale)


def test_steps_are_in_the_order_in_which_the_file_names_them(read: Read) -> None:
    assert read(rows_of("AB")).steps == ("bind", "search")


def test_a_step_that_failed_is_an_error_of_that_step_alone(read: Read) -> None:
    rows = ["baseline,0,0.5,bind,0.1,0", "baseline,0,0.5,login,0.1,0", *rows_of("AB")[9:]]
    steps = read(rows).table.steps
    assert [STATUSES[code] for code in steps["bind"].status] == ["error", "ok", "ok", "ok"]


def test_windows_line_ends_a_byte_order_mark_and_another_order_of_columns_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = "ok,latency_s,step,t_intended_s,block,arm\n1,0.5,login,0,0,baseline\n1,0.5,login,15,1,candidate\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_attempts(path, 0.0, 10.0).table.response_s.tolist() == [0.5, 0.5]


GOOD = "baseline,0,0.1,login,0.5,1\n"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("candidat,1,15,login,0.5,1", '3: arm: expected baseline or candidate, got "candidat"'),
        ("candidate,one,15,login,0.5,1", '3: block: expected a whole number of 0 or more, got "one"'),
        ("candidate,-1,15,login,0.5,1", '3: block: expected a whole number of 0 or more, got "-1"'),
        ("candidate,1.5,15,login,0.5,1", '3: block: expected a whole number of 0 or more, got "1.5"'),
        ("candidate,+1,15,login,0.5,1", '3: block: expected a whole number of 0 or more, got "+1"'),
        (f"candidate,{'9' * 20},15,login,0.5,1", f'3: block: expected a whole number of 0 or more, got "{"9" * 20}"'),
        ("candidate,1,soon,login,0.5,1", '3: t_intended_s: expected seconds from the run\'s start, got "soon"'),
        ("candidate,1, 15,login,0.5,1", '3: t_intended_s: expected seconds from the run\'s start, got " 15"'),
        ("candidate,1,inf,login,0.5,1", '3: t_intended_s: expected seconds from the run\'s start, got "inf"'),
        ("candidate,1,15,login,,1", '3: latency_s: expected seconds of 0 or more, got ""'),
        ("candidate,1,15,login,-0.5,1", '3: latency_s: expected seconds of 0 or more, got "-0.5"'),
        ("candidate,1,15,login,nan,1", '3: latency_s: expected seconds of 0 or more, got "nan"'),
        ("candidate,1,15,login,1_0,1", '3: latency_s: expected seconds of 0 or more, got "1_0"'),
        ("candidate,1,15,login,0.5,maybe", '3: ok: expected 1 or true or yes or 0 or false or no, got "maybe"'),
        ("\n\ncandidate,1,15,login,x,1", '5: latency_s: expected seconds of 0 or more, got "x"'),
        ('"candi\ndate\x1b",1,15,login,1,1', '3: arm: expected baseline or candidate, got "candi\\ndate\\x1b"'),
        ("candidate,1,15,login", "3: expected the header's 6 columns, got 4"),
        ("candidate,1,15,bind,0.5,1", "3: step: expected a row with step login of the same arm, block and "
         "t_intended_s"),
        ("candidate,1,15,login,0.5,1\ncandidate,1,15.001,bind,0.5,1", "4: step: expected a row with step login of the "
         "same arm, block and t_intended_s"),
        ("candidate,1,15,login,0.5,1\ncandidate,1,15,bind,0.5,1\ncandidate,1,16,bind,0.5,1\ncandidate,1,15,bind,0.5,1",
         "5: step: expected a row with step login of the same arm, block and t_intended_s"),
        ("candidate,1,15,login,0.5,1\ncandidate,1,15,bind,0.1,1\ncandidate,1,15,find,0.1,1\ncandidate,1,15,bind,0.2,1",
         "6: bind: expected one row of a step for each login; two logins of one arm, block and t_intended_s are told "
         "apart by a column login, or else each has its row login before or after all its steps"),
        ("candidate,2,15,login,0.5,1\nbaseline,1,30,login,0.5,1\nbaseline,3,5,login,0.5,1", "3: block: expected "
         "blocks numbered in order of time, got an earlier start of 2"),
    ],
)  # fmt: skip
def test_a_row_that_can_not_be_used_is_named_by_its_line(refused: Refused, rows: str, said: str) -> None:
    assert refused(f"{HEADER}\n{GOOD}{rows}\ncandidate,4,100,login,0.5,1\n") == f"a.csv:{said}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", f"a.csv:1: expected columns {HEADER} (and login), got none"),
        (HEADER + "\n", "a.csv:1: expected attempts, got none"),
        (GOOD, f"a.csv:1: expected columns {HEADER} (and login), got baseline,0,0.1,login,0.5,1"),
        (f"arm,block,step,latency_s,ok\n{GOOD.replace(',0.1', '')}", f"a.csv:1: expected columns {HEADER} (and "
         "login), got arm,block,step,latency_s,ok"),
        (f"{HEADER},more\nbaseline,0,0.1,login,0.5,1,2\n", f"a.csv:1: expected columns {HEADER} (and "
         f"login), got {HEADER},more"),
        (f"arm,{HEADER}\nbaseline,{GOOD}", f"a.csv:1: expected columns {HEADER} (and login), got "
         f"arm,{HEADER}"),
        (f"{HEADER},login,login\nbaseline,{GOOD}", f"a.csv:1: expected columns {HEADER} (and login), got "
         f"{HEADER},login,login"),
        (f"{HEADER}\nbaseline,0,0.1,bind,0.5,1\n", "a.csv:1: step: expected a row with step login for each login, got "
         "none"),
        (f"{HEADER}\n{GOOD}", "a.csv: arm: expected logins of both arms, got baseline alone"),
        (bytes(range(256)) * 4, "a.csv:1: expected text in UTF-8, got bytes of zero"),
        (bytes(range(5, 256)) * 4, "a.csv:1: expected columns"),
        (f"{HEADER}\n{GOOD}".encode() + b"candidate\xff,1,15,login,0.5,1\n", "a.csv:3: expected text in UTF-8"),
        (b"arm\xff,block\nbaseline,0\n", "a.csv:1: expected text in UTF-8"),
        (b"PAR1\0\0\0\0", "a.csv: expected text, got Parquet: write CSV"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(refused: Refused, content: str | bytes, said: str) -> None:
    assert refused(content).startswith(said)


@pytest.mark.parametrize("seed", range(40))
def test_binary_junk_is_refused_and_never_a_crash(refused: Refused, seed: int) -> None:
    source = random.Random(seed)
    junk = source.randbytes(200)
    assert refused(junk).startswith("a.csv:")
    at = source.randrange(len(HEADER), len(HEADER) + 60)
    good = f"{HEADER}\n{GOOD}candidate,1,15,login,0.5,1\n".encode()
    assert refused(good[:at] + b"\xff" + junk[:20] + good[at:]).startswith("a.csv:")


def test_a_file_that_is_not_there_is_an_error_of_the_user(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ConfigError, match="expected a readable file, got: ") as caught:
            read_attempts(path, 0.0, 10.0)
        assert str(caught.value).startswith(f"{path}: ")


NAMED = f"{HEADER},login"


def named(folder: Path, rows: list[str], header: str = NAMED) -> Foreign:
    path = folder / "a.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_attempts(path, 0.0, 10.0)


def of_two(at: str, names: tuple[str, str] = ("", "")) -> list[str]:
    """Two logins of each arm at one instant, with times of their own for ``bind``; the second has a step more."""
    rows = []
    for block, arm in enumerate(ARMS):
        for place, name in enumerate(names):
            key = f"{arm},{block},{at if block == 0 else float(at) + 15:}"
            login = f",{name}" if name else ""
            rows += [f"{key},bind,0.0{place + 1},1{login}"]
            rows += [f"{key},search,0.5,1{login}"] * place
            rows += [f"{key},login,0.{place + 1},1{login}"]
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_two_logins_at_one_instant_are_told_apart_by_their_names_in_any_order(tmp_path: Path, seed: int) -> None:
    rows = of_two("0.001", ("x", "y"))
    random.Random(seed).shuffle(rows)
    table = named(tmp_path, rows).table
    assert sorted(table.response_s.tolist()) == [0.1, 0.1, 0.2, 0.2]
    bind, search = table.steps["bind"], table.steps["search"]
    np.testing.assert_allclose(table.response_s[bind.row], 10 * bind.service_s)
    assert table.response_s[search.row].tolist() == [0.2, 0.2]


@pytest.mark.parametrize("login_first", [False, True])
def test_two_logins_at_one_instant_are_told_apart_by_the_order_of_their_rows(tmp_path: Path, login_first: bool) -> None:
    rows = of_two("0.001") + [row.replace("0.001,", "0.002,").replace("15.001,", "15.002,") for row in of_two("0.001")]
    if login_first:  # as the whole file has it
        rows = rows[::-1]
    table = named(tmp_path, rows, HEADER).table
    assert sorted(table.response_s.tolist()) == [0.1] * 4 + [0.2] * 4
    bind, search = table.steps["bind"], table.steps["search"]
    assert sorted(bind.row.tolist()) == list(range(8))
    np.testing.assert_allclose(table.response_s[bind.row], 10 * bind.service_s)
    assert table.response_s[search.row].tolist() == [0.2] * 4


def test_a_clock_of_milliseconds_costs_no_login(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows, times = [], []
    for block in range(8):
        for at in np.sort(rng.uniform(0, 15, 750)):
            step_s, login_s = rng.uniform(0.01, 0.02), rng.uniform(0.1, 0.2)
            key = f"{ARMS[block % 2]},{block},{15 * block + at:.3f}"
            rows += [f"{key},bind,{step_s:.6f},1", f"{key},login,{login_s:.6f},1"]
            times.append((step_s, login_s))
    found = named(tmp_path, rows, HEADER)
    table = found.table
    assert len(table) == 6000
    assert len(np.unique(np.stack([table.arm, table.intended_s]), axis=1).T) < 5900
    bind = table.steps["bind"]
    np.testing.assert_allclose(table.response_s[bind.row], [times[row][1] for row in bind.row], atol=1e-6)
    np.testing.assert_allclose(bind.service_s, [times[row][0] for row in bind.row], atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["baseline,0,1,login,0.1,1,"], '2: login: expected a login\'s name or number, got ""'),
        (["baseline,0,1,login,0.1,1,x", "baseline,0,1,bind,0.1,1,y"], "3: login: expected a row with step login of the "
         'same arm and login, got "y"'),
        (["baseline,0,1,login,0.1,1,x", "baseline,0,2,bind,0.1,1,x"], "3: t_intended_s: expected that of its login's "
         'own row, got "2"'),
        (["baseline,0,1,login,0.1,1,x", "baseline,1,1,bind,0.1,1,x"], "3: block: expected that of its login's own row"),
        (["baseline,0,1,login,0.1,1,x", "baseline,0,1,login,0.2,1,x"], "3: login: expected one row of a step for"),
        (["baseline,0,1,login,0.1,1,x", "candidate,1,16,bind,0.1,1,x"], "3: login: expected a row with step login"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_fit_its_rows_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        named(Path(), rows)
    assert str(caught.value).startswith(f"a.csv:{said}")


def test_rows_at_one_instant_that_are_in_no_order_of_a_login_are_refused_with_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = [f"baseline,0,{at},{step},0.1,1" for at in (1, 2) for step in ("bind", "login")]
    for order, line in ((("login", "bind", "bind", "login"), 8), (("login", "login", "bind", "bind"), 9)):
        rows = [*before, *(f"baseline,0,3,{step},0.2,1" for step in order)]
        with pytest.raises(
            ConfigError, match=rf"^a.csv:{line}: bind: expected one row of a step for each login"
        ) as caught:
            named(Path(), rows, HEADER)
        assert str(caught.value).endswith("or else each has its row login before or after all its steps")
