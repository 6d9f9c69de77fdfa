import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
import numpy as np
from morelli.model.memory import keep_freed_memory, release_freed_memory

if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(77)
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
held = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
np.ones(20_000_000)
before = faults()
for _ in range(10):
    np.ones(20_000_000)
again = faults() - before
kept = held()
release_freed_memory()
print(again, kept - held())
"""


def _run(mode):
    command = [sys.executable, "-c", _PROGRAM, mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this system's library has no mallopt")
    assert not done.returncode, done.stderr
    return map(int, done.stdout.split())


def test_memory_is_used_again_without_new_pages_until_it_is_released():
    ordinary, _ = _run("ordinary")
    faults, released = _run("keep")
    assert faults < ordinary / 10
    assert released > 100_000_000
