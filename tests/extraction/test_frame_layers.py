"""Convolutions over time in oneDNN's order of weights, against PyTorch's in float64."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from sre.extraction.frame_layers import FrameConv, FrameNorm, can_order

pytestmark = pytest.mark.skipif(not can_order(torch.float32), reason="this PyTorch has no oneDNN")


@pytest.mark.parametrize(("channels", "kernel", "dilation"), [(80, 5, 1), (512, 3, 2), (512, 1, 1)])
def test_it_is_the_convolution_whatever_was_before(channels: int, kernel: int, dilation: int) -> None:
    """Of batches of several lengths in turn: weights whose order was kept, and others, give the same bytes."""
    torch.manual_seed(kernel)
    conv = nn.Conv1d(channels, 512, kernel, dilation=dilation)
    layer = FrameConv(conv.weight, conv.bias, dilation)
    exact = nn.Conv1d(channels, 512, kernel, dilation=dilation).double()
    exact.load_state_dict(conv.state_dict())
    first = {}
    with torch.inference_mode():
        for batch, frames in [
            (1, 60),
            (1, 60),
            (1, 60),
            (1, 150),
            (2, 150),
            (1, 60),
            (1, 800),
            (1, 150),
            (1, 150),
            (1, 800),
        ]:
            x = torch.randn(batch, channels, frames, generator=torch.Generator().manual_seed(frames))
            found = layer(x)
            torch.testing.assert_close(found.double(), exact(x.double()), rtol=0, atol=2e-5)
            assert torch.equal(found, first.setdefault((batch, frames), found))


def test_a_norm_of_its_map() -> None:
    norm = nn.BatchNorm1d(64, affine=False)
    norm(torch.randn(4, 64, 50))
    norm.eval()
    x = torch.randn(2, 50, 64).transpose(1, 2)
    torch.testing.assert_close(FrameNorm(norm)(x), norm(x))


IN_A_THREAD = """
import os, sys, threading, torch
from sre.extraction.network import Embedder
from sre.machine.device import prepare
from sre.models import build
from sre.models.bundle import Bundle

prepare(torch.device("cpu"), 1)
model = {"architecture": "xvector", "options": {}, "features": "fbank80"}
network = build("xvector", 80, {})
Bundle(model, {"type": "given", "cmn": "none"}, 80, network.state_dict()).save(sys.argv[1])
embedder = Embedder(sys.argv[1], "cpu", "fp32_fast")
feats = torch.zeros(1, 200, 80)
for _ in range(3):
    embedder.embed(feats)  # from the second on, oneDNN alone is called
before = len(os.listdir("/proc/self/task"))
seen = []
thread = threading.Thread(target=lambda: (embedder.embed(feats), seen.append(len(os.listdir("/proc/self/task")))))
thread.start()
thread.join()
print(seen[0] - before)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted by /proc")
def test_a_new_thread_has_as_many_threads_as_were_asked_for(tmp_path: Path) -> None:
    """oneDNN would take OpenMP's own number in a thread that has not asked PyTorch for one."""
    words = [sys.executable, "-c", IN_A_THREAD, str(tmp_path / "final.pt")]
    done = subprocess.run(words, env=os.environ | {"OMP_NUM_THREADS": "4"}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
