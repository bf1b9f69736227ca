"""The regional CNN of `gatescope.models.regions` in PyTorch, for inference.

Trunk and top are EfficientNet-Lite0 with batch normalization folded into the convolutions, as
ours. Suppression takes a batch at once and RoIAlign is one matrix product, as fast as either gets
without compiled extensions.

Suffixes: B photos, N anchors, K regions, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

STEM, HEAD = 32, 1280  # channels, at every scale of the Lite variant
Stage = tuple[int, int, int, int, int]  # kernel, repeats, channels, expansion, stride


class Convolution(nn.Conv2d):
    """Convolution padded as TensorFlow's "same", of maps with an even number of rows.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kernel: Rows and columns of the kernel.
        stride: 1 or 2.
        groups: As many as channels for a depthwise convolution.
        dilation: Cells from one of the kernel's rows to the next.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        dilation: int = 1,
    ) -> None:
        even = dilation * (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, even, dilation, groups)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (2, 2):  # an odd number of rows is added, the larger half below
            missing = self.kernel_size[0] - 2
            before = missing // 2
            x = functional.pad(x, (before, missing - before) * 2)
        return super().forward(x)


class Block(nn.Module):
    """Inverted bottleneck: widen, convolve each channel, narrow."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        kernel, _, outputs, expansion, _ = stage
        wide = inputs * expansion
        self.expand = Convolution(inputs, wide, 1) if expansion > 1 else None
        self.depthwise = Convolution(wide, wide, kernel, stride, groups=wide)
        self.project = Convolution(wide, outputs, 1)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        wide = functional.relu6(self.expand(x), inplace=True) if self.expand else x
        wide = functional.relu6(self.depthwise(wide), inplace=True)
        narrow = self.project(wide)
        return narrow.add_(x) if self.shortcut else narrow


def blocks(inputs: int, stages: Sequence[Stage]) -> Iterable[Block]:
    """The blocks of some stages, one after the other."""
    for stage in stages:
        _, repeats, outputs, _, stride = stage
        for repeat in range(repeats):
            yield Block(inputs, stage, 1 if repeat else stride)
            inputs = outputs


class ProposalNetwork(nn.Module):
    """Scores and moves every anchor: logits `(B, N)` and deltas `(B, N, 4)`."""

    def __init__(self, channels: int, width: int, anchors_per_cell: int) -> None:
        super().__init__()
        self.bottleneck = Convolution(channels, width, 1)
        self.context = nn.ModuleList(
            nn.Sequential(
                Convolution(width, width, 5, groups=width, dilation=dilation),
                Convolution(width, width, 1),
                nn.ReLU(inplace=True),
            )
            for dilation in (1, 2)
        )
        self.objectness = Convolution(width, anchors_per_cell, 1)
        self.deltas = Convolution(width, 4 * anchors_per_cell, 1)

    def forward(self, maps_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        x = functional.relu(self.bottleneck(maps_BCHW))
        for part in self.context:
            x = x + part(x)
        objectness, deltas = (
            head(x).permute(0, 2, 3, 1).flatten(1) for head in (self.objectness, self.deltas)
        )
        return objectness, deltas.unflatten(1, (-1, 4))


class Regions(nn.Module):
    """Photos to the boxes and features of their regions.

    Args:
        config: `RegionConfig` of the bundle as plain data, with the proposal layer's `candidates`
            and RoIAlign's `sampling`.
        stages: Of EfficientNet-Lite0; the first `trunk_stages` make the map of stride 16.
        trunk_stages: How many.
        anchors_N4: The proposal network's anchors.
        fallback_K4: The whole photo and the grid.
    """

    def __init__(
        self,
        config: dict[str, Any],
        stages: Sequence[Stage],
        trunk_stages: int,
        anchors_N4: Tensor,
        fallback_K4: Tensor,
    ) -> None:
        super().__init__()
        self.config, self.anchors, self.fallback = config, anchors_N4, fallback_K4
        lower, upper = stages[:trunk_stages], stages[trunk_stages:]
        middle, last = lower[-1][2], upper[-1][2]
        self.trunk = nn.Sequential(
            Convolution(3, STEM, 3, 2), nn.ReLU6(inplace=True), *blocks(STEM, lower)
        )
        self.top = nn.Sequential(
            *blocks(middle, upper), Convolution(last, HEAD, 1), nn.ReLU6(inplace=True)
        )
        per_cell = len(config["scales"]) * len(config["ratios"])
        self.network = ProposalNetwork(middle, config["width"], per_cell)

    def forward(self, photos_BHW3: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes `(B, K, 4)` and features `(B, K, C)` of photos in uint8."""
        pixels = photos_BHW3.permute(0, 3, 1, 2).float()  # laid out as channels_last already
        enlarged = functional.interpolate(pixels, (self.config["input_size"],) * 2, mode="bilinear")
        maps = self.trunk((enlarged - 127) / 128)
        boxes = self.fallback.expand(len(maps), -1, -1)
        if self.config["proposals"]:
            boxes = torch.cat([self.proposals(maps), boxes], 1)
        return boxes, aligned(self.top(maps), boxes, self.config["sampling"])

    def proposals(self, maps_BCHW: Tensor) -> Tensor:
        """The best boxes that do not overlap much, best first."""
        objectness, deltas = self.network(maps_BCHW)
        candidates = min(self.config["candidates"], len(self.anchors))
        chosen = objectness.topk(candidates, 1).indices
        moved = deltas.gather(1, chosen[..., None].expand(-1, -1, 4))
        boxes = decoded(self.anchors[chosen], moved)
        return suppressed(boxes, self.config["proposals"], self.config["iou_threshold"])


def decoded(anchors_BN4: Tensor, deltas_BN4: Tensor) -> Tensor:
    """The boxes that deltas of centres and sizes make of anchors, clipped to the photo."""
    size = anchors_BN4[..., 2:] - anchors_BN4[..., :2]
    centre = (anchors_BN4[..., :2] + anchors_BN4[..., 2:]) / 2 + deltas_BN4[..., :2] * size
    half = size * deltas_BN4[..., 2:].clamp(-4, 4).exp() / 2
    return torch.cat([centre - half, centre + half], -1).clamp(0, 1)


def suppressed(boxes_BN4: Tensor, count: int, threshold: float) -> Tensor:
    """Non-maximum suppression of boxes that come best first, `(B, count, 4)`.

    Where fewer survive, the whole photo fills up. A box is compared only once it is kept, so the
    work is `count` × N and not N × N.
    """
    rows = torch.arange(len(boxes_BN4))
    whole = boxes_BN4.new_tensor([0, 0, 1, 1])
    alive_BN = torch.ones(boxes_BN4.shape[:2], dtype=torch.bool)
    kept = []
    for _ in range(count):
        best = alive_BN.byte().argmax(1)  # the first that is alive
        box = boxes_BN4[rows, best]
        kept.append(torch.where(alive_BN[rows, best, None], box, whole))
        alive_BN &= overlap(box[:, None], boxes_BN4) <= threshold
        alive_BN[rows, best] = False  # a box without area does not overlap itself
    return torch.stack(kept, 1)


def overlap(one_B14: Tensor, boxes_BN4: Tensor) -> Tensor:
    """Intersection over union, `(B, N)`."""
    start = torch.maximum(one_B14[..., :2], boxes_BN4[..., :2])
    stop = torch.minimum(one_B14[..., 2:], boxes_BN4[..., 2:])
    common = (stop - start).clamp_min(0).prod(-1)
    one, other = ((part[..., 2:] - part[..., :2]).prod(-1) for part in (one_B14, boxes_BN4))
    return common / (one + other - common).clamp_min(1e-12)


def aligned(features_BCHW: Tensor, boxes_BK4: Tensor, sampling: int) -> Tensor:
    """RoIAlign with one bin a region, `(B, K, C)`."""
    rows, columns = features_BCHW.shape[2:]
    y_BKH = _cell_weights(boxes_BK4[..., 0], boxes_BK4[..., 2], rows, sampling)
    x_BKW = _cell_weights(boxes_BK4[..., 1], boxes_BK4[..., 3], columns, sampling)
    weights = (y_BKH[..., :, None] * x_BKW[..., None, :]).flatten(2)
    return weights @ features_BCHW.permute(0, 2, 3, 1).flatten(1, 2)


def _cell_weights(start_BK: Tensor, stop_BK: Tensor, cells: int, sampling: int) -> Tensor:
    """Mean bilinear weight of every cell along one axis, `(B, K, cells)`."""
    steps = (torch.arange(sampling) + 0.5) / sampling
    at = start_BK[..., None] + (stop_BK - start_BK)[..., None] * steps
    at = (at * cells - 0.5).clamp(0, cells - 1)
    return (1 - (at[..., None] - torch.arange(cells)).abs()).clamp_min(0).mean(2)
