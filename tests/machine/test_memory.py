"""Memory of this process and of those that it has started."""

import subprocess
import sys

import pytest

CODE = """
from multiprocessing import get_context
from sre.machine.memory import children_mib, own_peak_mib

MIB = 2**20
shared = b"x" * (128 * MIB)

def hold(pipe):
    own = b"y" * (64 * MIB)
    pipe.send(len(own) + shared.count(b"x"))
    pipe.recv()

print(own_peak_mib(), children_mib())
ours, theirs = get_context("fork").Pipe()
child = get_context("fork").Process(target=hold, args=(theirs,))
child.start()
ours.recv()
print(own_peak_mib(), children_mib())
ours.send(None)
child.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of /proc")
def test_a_page_that_two_processes_share_counts_half_in_each() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    before, after = (line.split() for line in done.stdout.splitlines())
    assert before[1] == "None" and 128 < float(before[0]) < 128 + 60
    assert 64 + 64 < float(after[1]) < 64 + 64 + 40  # its own, half of what is shared, and of Python
