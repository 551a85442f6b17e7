"""An HdrHistogram log is read by HdrHistogram as what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from harness.cli.main import main
from harness.report.hdr import HIGHEST, counts_indices, encoded
from tests.helpers.stored import stored_run


def test_a_value_is_counted_within_a_thousandth_of_itself() -> None:
    values = np.unique(np.logspace(0, np.log10(HIGHEST), 5000).astype(np.int64))
    cells = counts_indices(values)
    assert np.all(np.diff(cells) >= 0)
    for cell in np.unique(cells):
        inside = values[cells == cell]
        assert (inside.max() - inside.min()) <= max(inside.min() / 1000, 1)


def test_small_values_have_cells_of_their_own() -> None:
    assert counts_indices(np.arange(1, 2048)).tolist() == list(range(1, 2048))


def test_a_run_is_written_block_by_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = stored_run(tmp_path / "results"), tmp_path / "run.hlog"
    assert main(["export", str(folder.path), "--out", str(out)]) == 0
    lines = out.read_text().splitlines()
    tags = {line.split(",")[0] for line in lines if line.startswith("Tag=")}
    assert {"Tag=baseline/cold/login", "Tag=candidate/warm/ldap_bind"} <= tags
    assert sum(line.startswith("Tag=baseline/cold/login,") for line in lines) == 6  # blocks


def test_hdrhistogram_itself_reads_the_same_quantiles() -> None:
    values = np.random.default_rng(1).lognormal(np.log(20e6), 0.5, 20_000).astype(np.int64)
    found = HdrHistogram.decode(encoded(values))
    assert found.get_total_count() == len(values)
    for q in (50, 95, 99, 100):
        assert found.get_value_at_percentile(q) == pytest.approx(np.percentile(values, q), rel=2e-3)


def test_hdrhistogram_itself_reads_a_run_s_log(tmp_path: Path) -> None:
    folder, out = stored_run(tmp_path / "results"), tmp_path / "run.hlog"
    assert main(["export", str(folder.path), "--out", str(out)]) == 0
    reader = HistogramLogReader(str(out), HdrHistogram(1, HIGHEST, 3))
    total = 0
    while (found := reader.get_next_interval_histogram()) is not None:
        total += found.get_total_count() if found.get_tag().endswith("/login") else 0
    assert total == len(folder.attempts())
