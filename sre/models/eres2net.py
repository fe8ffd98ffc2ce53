"""ERes2Net and ERes2NetV2, as WeSpeaker's ERes2Net34 and 3D-Speaker's ERes2NetV2.

Y. Chen et al., An enhanced Res2Net with local and global feature fusion for speaker verification, Interspeech 2023;
Y. Chen et al., ERes2NetV2: Boosting short-duration speaker verification performance with computational efficiency,
Interspeech 2024. Shapes: B batch, T frames, F features, C channels, D embedding, E expansion.
"""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from sre.models.base import PooledNetwork
from sre.models.pooling import TSTP
from sre.models.res2net import Res2Net, Res2NetBlock, Sum
from sre.models.resnet import conv_norm, residual_stages


class AttentiveFusion(nn.Module):
    """Attentional feature fusion of two maps (AFF; Y. Dai et al., WACV 2021): (B, C, F, T) twice -> (B, C, F, T).

    a = 1 + tanh(U[x; y]), a x + (2 - a) y: each channel and place weights the one map against the other.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 4, 1)
        self.attention = nn.Sequential(
            nn.Conv2d(2 * channels, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.SiLU(),
            nn.Conv2d(hidden, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        a = 1 + torch.tanh(self.attention(torch.cat([x, y], dim=1)))  # -> (B, 2C, F, T) -> (B, C, F, T)
        return a * x + (2 - a) * y


class FusedStage(nn.Module):
    """A stage and the global fusion of its output with that of the stages before it.

    (B, C, F, T), and the fused output so far of the same shape -> both of (B, 2C, F/2, T/2).
    """

    def __init__(self, stage: nn.Module, channels: int) -> None:
        super().__init__()
        self.stage, self.fusion = stage, AttentiveFusion(2 * channels)
        self.halve = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False)

    def forward(self, x: Tensor, fused: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stage(x)
        return x, self.fusion(x, self.halve(fused))


class ERes2Net(PooledNetwork):
    """The network ERes2Net, (B, T, F) -> (B, D).

    Local fusion: from the third stage on, a block's groups are chained by AttentiveFusion. Global fusion, bottom up:
    what the stages have given so far, at half the resolution, is fused with the next stage's output.

    Parameters
    ----------
    num_features : F
    embedding_dim : D (WeSpeaker's recipe 512; 3D-Speaker 192)
    channels : C of the first stage; the four stages have C, 2C, 4C, 8C, times E
    blocks : residual blocks of each of the four stages
    base_width, scale, expansion : of each block, see Res2NetBlock; E
    unfused : stages before the first whose output is fused with that of the next, 0 to 2
    """

    peer_options: ClassVar[Mapping[str, object] | None] = {}

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 512,
        channels: int = 32,
        blocks: Sequence[int] = (3, 4, 6, 3),
        base_width: int = 32,
        scale: int = 2,
        expansion: int = 2,
        unfused: int = 0,
    ) -> None:
        super().__init__(embedding_dim)

        def block(in_channels: int, width: int, stride: int) -> nn.Module:
            fusion = AttentiveFusion if width >= 4 * channels else Sum
            return Res2NetBlock(in_channels, width, stride, base_width, scale, expansion, scale, fusion)

        stages = residual_stages(block, channels, blocks, expansion=expansion)
        self.stem = nn.Sequential(*conv_norm(1, channels, 3))
        self.stages = stages[: unfused + 1]
        self.fused_stages = nn.ModuleList(
            FusedStage(stages[i], expansion * channels << i - 1) for i in range(unfused + 1, 4)
        )
        self.add_embedding(TSTP(expansion * 8 * channels * -(-num_features // 8)))  # F/8, rounded up

    def frame_map(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = torch.relu(self.stem(x))  # -> (B, C, F, T)
        fused = x = self.stages(x)  # -> (B, E C, F, T); ERes2NetV2: (B, 4 E C, F/4, T/4)
        for stage in self.fused_stages:
            x, fused = stage(x, fused)  # -> in the end (B, 8 E C, F/8, T/8)
        return fused

    @classmethod
    def peer_key(cls, key: str) -> str:
        """Return our state-dict key of a key of WeSpeaker's ERes2Nets."""
        if key.startswith(("layer3.", "layer4.")):  # the first branch has a name there, so that the others begin with 0
            key = re.sub(r"\.(convs|bns)\.(\d+)", lambda match: f".{match[1]}.{int(match[2]) + 1}", key)
            key = key.replace(".conv2_1.", ".convs.0.").replace(".bn2_1.", ".bns.0.")
        key = re.sub(r"\.fuse_models\.(\d+)\.local_att", r".branches.\1.fusion.attention", key)
        key = re.sub(r"^fuse_mode12(3?4?)\.local_att", lambda m: f"fused_stages.{len(m[1])}.fusion.attention", key)
        key = re.sub(r"^layer(\d)_downsample", lambda m: f"fused_stages.{int(m[1]) - 1}.halve", key)
        key = re.sub(r"^layer([234])\.", lambda m: f"fused_stages.{int(m[1]) - 2}.stage.", key)
        return Res2Net.peer_key(key.replace("layer1.", "stages.0."))


class ERes2NetV2(ERes2Net):
    """ERes2Net of twice the channels, narrower groups, and the last two stages' outputs fused only.

    Parameters are ERes2Net's.
    """

    peer_options = None  # WeSpeaker has no such network

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 192,
        channels: int = 64,
        blocks: Sequence[int] = (3, 4, 6, 3),
        base_width: int = 26,
        scale: int = 2,
        expansion: int = 2,
    ) -> None:
        super().__init__(num_features, embedding_dim, channels, blocks, base_width, scale, expansion, unfused=2)
