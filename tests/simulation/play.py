"""One story from its beginning to the count of what is wrong."""

import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random

from tests.simulation.invariants import violations
from tests.simulation.story import NAMES, Story
from tests.simulation.views import differences
from tests.simulation.world import World

DEEDS = 200


def play(seed: str, deeds: int = DEEDS) -> list[str]:
    """What is wrong when it has ended. The same seed makes the same story, with the same PYTHONHASHSEED."""
    names = NAMES[: Random(seed).choice((3, 3, 3, 4, 5))]
    with _ending_quietly(), ExitStack() as stack:
        world = World(seed, names)
        for server in world.servers.values():
            stack.callback(server.end)
        stack.enter_context(world.network())
        story = Story(world)
        story.begin()
        story.go_on(deeds)
        story.heal()
        found = [*violations(story), *differences(story)]
        del story, world, server
        return found


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Servers that crashed leave coroutines in the middle of their work, which is no news when they are thrown away.

    That is only after the story: what they do at their end draws from the same chance, and when Python finds them
    depends on what ran before.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        hook = sys.unraisablehook
        sys.unraisablehook = lambda _: None
        logging.disable(logging.CRITICAL)
        gc.collect()
        logging.disable(logging.NOTSET)
        sys.unraisablehook = hook
        gc.enable()
