import itertools
import subprocess
import sys
import time

from scripts.benchmark.process import ProcessTree

BURN = "import time\nwhile time.process_time() < {seconds}: pass"
BURNING_CHILD = (
    "import subprocess, sys, time; subprocess.run([sys.executable, '-c', sys.argv[1]]); time.sleep(60)"
)


def test_cpu_of_children_is_counted_while_they_run_and_after_they_end() -> None:
    arguments = [sys.executable, "-c", BURNING_CHILD, BURN.format(seconds=0.5)]
    with subprocess.Popen(arguments) as parent:
        tree = ProcessTree(parent.pid)
        readings = [tree.cpu_seconds()]
        while len(readings) < 10 or readings[-1] > readings[-10] + 0.001:
            time.sleep(0.03)
            readings.append(tree.cpu_seconds())
        parent.kill()
    assert 0.5 < readings[-1] < 1.0
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
