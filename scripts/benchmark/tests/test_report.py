import json
from pathlib import Path

from scripts.benchmark.measurement import Figures, Processes
from scripts.benchmark.process import Memory
from scripts.benchmark.report import ratio_table, server_table, write_json
from scripts.benchmark.run import Contender


def contender(name: str, slowness: float, failures: list[str] | None = None) -> Contender:
    figures = Figures("send_1", [0.01 * slowness] * 100, failures or [], 1.0 * slowness, 0.5 * slowness, 0.25)
    memory = Memory(int(50e6 * slowness), int(60e6 * slowness))
    return Contender(name, "http://x", "s", Processes(), figures=[figures], memory=memory)


def test_ratios_above_one_mean_that_the_first_is_ahead() -> None:
    table = ratio_table(contender("ours", 1), contender("theirs", 20))
    # CPU with PostgreSQL: (0.5 * 20 + 0.25) / (0.5 + 0.25)
    assert table.splitlines()[2].split() == ["send_1", "20.0", "20.0", "20.0", "20.0", "13.7"]
    assert "RSS ÷20.0" in table


def test_a_scenario_that_only_one_server_did_has_no_ratio() -> None:
    other = contender("theirs", 2)
    other.figures[0].scenario = "join"
    assert "send_1" not in ratio_table(contender("ours", 1), other)


def test_server_table_shows_per_operation_figures_and_failures() -> None:
    table = server_table(contender("ours", 1, ["status 500: a", "b", "c", "d"]))
    assert table.splitlines()[2].split() == (
        ["send_1", "100", "100.0", "10.00", "10.00", "10.00", "5.000", "2.500", "0.000", "4"]
    )
    assert "FAILED send_1: status 500: a" in table
    assert "FAILED send_1: and 1 more" in table


def test_json_holds_every_latency(tmp_path: Path) -> None:
    write_json(tmp_path / "figures.json", [contender("ours", 1)], {"scale": 1})
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["servers"]["ours"]["scenarios"]["send_1"]["latencies_seconds"] == [0.01] * 100
