"""The figures as tables and as JSON."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from .measurement import Figures
from .run import Contender

MEGABYTE = 1_000_000
SHOWN_FAILURES = 3
_PERCENTILES = (50, 95, 99)


def server_table(contender: Contender) -> str:
    """One server's figures, a line per scenario."""
    heads = ["scenario", "ops", "ops/s", "p50 ms", "p95 ms", "p99 ms"]
    heads += ["CPU ms/op", "PostgreSQL ms/op", "generator ms/op", "failed"]
    lines = [heads, *(_server_line(each) for each in contender.figures)]
    parts = [f"{contender.name}\n{_aligned(lines)}", *_failures(contender), *_process_lines(contender)]
    return "\n".join(parts)


def ratio_table(ours: Contender, theirs: Contender) -> str:
    """How many times better the first is than the second: above 1 it is ahead in every column."""
    heads = ["throughput ×", "p50 ÷", "p99 ÷", "CPU ÷", "CPU with PostgreSQL ÷"]  # noqa: RUF001 - a sign for times
    lines = [["scenario", *heads]]
    for mine in ours.figures:
        other = next((each for each in theirs.figures if each.scenario == mine.scenario), None)
        if other and mine.operations and other.operations:
            lines.append([mine.scenario, *_ratios(mine, other)])
    memory = ""
    if ours.memory and theirs.memory:
        resident = theirs.memory.resident / ours.memory.resident
        memory = f"\nRSS ÷{resident:.1f}, peak ÷{theirs.memory.peak / ours.memory.peak:.1f}"
    return f"{ours.name} vs {theirs.name}\n{_aligned(lines)}{memory}"


def write_json(path: Path, contenders: Sequence[Contender], settings: dict[str, object]) -> None:
    """All raw figures, every latency included; seconds and bytes."""
    machine = {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
    servers = {each.name: _contender_json(each) for each in contenders}
    path.write_text(json.dumps({"settings": settings, "machine": machine, "servers": servers}, indent=1))


def _server_line(figures: Figures) -> list[str]:
    return [
        figures.scenario,
        str(figures.operations),
        f"{figures.throughput:.1f}",
        *(f"{figures.percentile(percent) * 1000:.2f}" for percent in _PERCENTILES),
        _milliseconds(figures.per_operation(figures.server_cpu)),
        _milliseconds(figures.per_operation(figures.database_cpu)),
        _milliseconds(figures.per_operation(figures.generator_cpu)),
        str(len(figures.failures)),
    ]


def _process_lines(contender: Contender) -> Iterable[str]:
    if contender.memory:
        resident, peak = (size / MEGABYTE for size in contender.memory)
        yield f"RSS after the run {resident:.0f} MB, peak {peak:.0f} MB"
    if contender.first_start_seconds is not None:
        yield f"ready on an empty database after {contender.first_start_seconds:.2f} s"


def _failures(contender: Contender) -> Iterable[str]:
    for figures in contender.figures:
        for failure in figures.failures[:SHOWN_FAILURES]:
            yield f"FAILED {figures.scenario}: {failure}"
        if len(figures.failures) > SHOWN_FAILURES:
            yield f"FAILED {figures.scenario}: and {len(figures.failures) - SHOWN_FAILURES} more"


def _ratios(mine: Figures, other: Figures) -> list[str]:
    return [
        _ratio(mine.throughput, other.throughput),
        _ratio(other.percentile(50), mine.percentile(50)),
        _ratio(other.percentile(99), mine.percentile(99)),
        _ratio(other.per_operation(other.server_cpu), mine.per_operation(mine.server_cpu)),
        _ratio(other.per_operation(_all_cpu(other)), mine.per_operation(_all_cpu(mine))),
    ]


def _all_cpu(figures: Figures) -> float | None:
    return None if figures.database_cpu is None else (figures.server_cpu or 0.0) + figures.database_cpu


def _ratio(better: float | None, worse: float | None) -> str:
    return f"{better / worse:.1f}" if better and worse else "-"


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.3f}"


def _contender_json(contender: Contender) -> dict[str, object]:
    memory = contender.memory
    return {
        "first_start_seconds": contender.first_start_seconds,
        "rss_bytes": memory.resident if memory else None,
        "peak_rss_bytes": memory.peak if memory else None,
        "scenarios": {each.scenario: _figures_json(each) for each in contender.figures},
    }


def _figures_json(figures: Figures) -> dict[str, object]:
    percentiles = {f"p{percent}_seconds": figures.percentile(percent) for percent in _PERCENTILES}
    return {
        "operations": figures.operations,
        "seconds": figures.seconds,
        "operations_per_second": figures.throughput,
        **percentiles,
        "server_cpu_seconds": figures.server_cpu,
        "database_cpu_seconds": figures.database_cpu,
        "generator_cpu_seconds": figures.generator_cpu,
        "failures": figures.failures,
        "latencies_seconds": [round(seconds, 6) for seconds in figures.latencies],
    }


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_line(cells, widths) for cells in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers = cells
    return "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])])
