import itertools
import select
import subprocess
import sys

from scripts.benchmark.process import ProcessTree

BURN = "import time\nwhile time.process_time() < {seconds}: pass"
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]])
print("the child has ended", flush=True)
input()
"""


def test_cpu_of_children_is_counted_while_they_run_and_after_they_end() -> None:
    arguments, pipe = [sys.executable, "-c", PARENT, BURN.format(seconds=0.5)], subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe) as parent:
        assert parent.stdout
        tree = ProcessTree(parent.pid)
        readings = [tree.cpu_seconds()]
        while not select.select([parent.stdout], [], [], 0.03)[0]:
            readings.append(tree.cpu_seconds())
        readings.append(tree.cpu_seconds())
        parent.kill()
    assert 0.5 < readings[-1] < 1.0
    assert any(0.1 < reading < 0.4 for reading in readings)
    # What a child leaves to its parent is counted in whole ticks of 10 ms, of user and of system time.
    assert all(later > earlier - 0.021 for earlier, later in itertools.pairwise(readings))


def test_memory_is_summed_over_the_tree() -> None:
    script = "b = bytearray(30_000_000); del b; c = bytearray(10_000_000); print(flush=True); input()"
    arguments, pipe = [sys.executable, "-c", script], subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe) as process:
        assert process.stdout
        process.stdout.readline()
        memory = ProcessTree(process.pid).memory()
        process.kill()
    assert memory.peak > 30_000_000
    assert 10_000_000 < memory.resident < memory.peak


def test_a_process_that_is_gone_costs_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert ProcessTree(process.pid).cpu_seconds() == 0
