"""Workers do not outlive the process that they work for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PARENT = """
import time
from multiprocessing import get_context
from sre.machine.processes import end_with_parent

def work(path):
    end_with_parent()
    with open(path, "w") as file:
        file.write("begun")
    time.sleep(60)

if __name__ == "__main__":
    worker = get_context("spawn").Process(target=work, args=({!r},))
    worker.start()
    print(worker.pid, flush=True)
    worker.join()
"""


def test_a_worker_ends_with_its_killed_parent(tmp_path: Path) -> None:
    script, begun = tmp_path / "parent.py", tmp_path / "begun"
    script.write_text(PARENT.format(str(begun)))
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        assert _within(30, begun.exists)
        parent.send_signal(signal.SIGKILL)
    assert _within(10, lambda: not _lives(worker))


def _within(seconds: float, condition) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
