"""One run: every scenario on every server, scenario by scenario."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from .connection import ProtocolError
from .launch import LaunchedServer
from .measurement import Figures, Processes, measure, until_quiet
from .process import Memory
from .scenarios import Scenario
from .stage import Stage
from .user import Refused

# Registering 1,000 accounts takes some servers ten minutes on two cores.
PREPARATION_SECONDS = 1500.0
RESTARTS = 3


@dataclass
class Contender:
    """A server under test and what was found out about it."""

    name: str
    url: str
    shared_secret: str
    processes: Processes
    launched: LaunchedServer | None = None
    service_port: int | None = None
    first_start_seconds: float | None = None
    figures: list[Figures] = field(default_factory=list)
    memory: Memory | None = None

    @property
    def failures(self) -> int:
        return sum(len(each.failures) for each in self.figures)


async def run(contenders: Sequence[Contender], scenarios: Sequence[Scenario], scale: float) -> None:
    """Fill in the figures of all contenders.

    They take turns at every scenario, the first of them changing each time, so that what else the machine
    does in these minutes falls on all alike; each waits until the others are quiet.
    """
    stages = [Stage(each.url, each.shared_secret, scale, each.service_port) for each in contenders]
    playing = list(zip(contenders, stages, strict=True))
    for scenario in scenarios:
        for contender, stage in playing:
            print(f"{scenario.name} on {contender.name} …", file=sys.stderr, flush=True)
            await until_quiet([each.processes for each in contenders])
            contender.figures.append(await play(scenario, stage, contender.processes))
        playing.reverse()
    for contender in contenders:
        if contender.processes.server:
            contender.memory = contender.processes.server.memory()


async def play(scenario: Scenario, stage: Stage, processes: Processes) -> Figures:
    """Prepare and measure one scenario; what goes wrong is in the figures, not raised."""
    try:
        async with asyncio.timeout(PREPARATION_SECONDS):
            work = await scenario.prepare(stage)
    except (OSError, ProtocolError, Refused, KeyError, ValueError) as error:
        return Figures(scenario.name, failures=[f"preparing: {type(error).__name__}: {error}"])
    turns = stage.scaled(scenario.turns, len(work.steps))
    return await measure(scenario.name, work, processes, turns, stage.least_seconds)


def measure_readiness(contender: Contender) -> None:
    """Restart the server on the data of the run; one operation is one start until /versions answers."""
    if contender.launched is None:
        return
    figures = Figures("ready")
    for _ in range(RESTARTS):
        contender.launched.stop()
        figures.latencies.append(contender.launched.start())
        cpu = contender.launched.processes.server
        figures.server_cpu = (figures.server_cpu or 0.0) + (cpu.cpu_seconds() if cpu else 0.0)
    figures.seconds = sum(figures.latencies)
    contender.figures.append(figures)
