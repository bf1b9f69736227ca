"""The regional CNN: where to look in a photo, and what is there.

One trunk pass gives a map. On it stand the region proposal network, which says where objects may
be, and the top, whose features RoIAlign reads for every region. For photos both are halves of
EfficientNet-Lite0, with maps of stride 16 and 32.

Suffixes: B batch, N anchors, K regions, H rows, W columns, C channels.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from gatescope.errors import ConfigurationError
from gatescope.layers.region_proposal import RegionProposal, anchors, grid
from gatescope.layers.roi_align import RoIAlign
from gatescope.models import efficientnet_lite
from gatescope.models.efficientnet_lite import STRIDE_16_CHANNELS


class RegionConfig(BaseModel):
    """Which regions a photo has; one value describes training, cache and bundle alike.

    The regions of a photo are, in this order: the `proposals` best boxes of the proposal
    network, the whole photo, and a coarse grid that no proposal may have to cover.

    Args:
        photo_size: Side in pixels to which every photo is squashed.
        input_size: Side in pixels to which the trunk's input is then enlarged, a multiple of
            32: small objects survive the stride-32 map better in a larger picture.
        stride: Pixels of that input to a cell of the trunk's map; EfficientNet-Lite0's is 16.
        proposals: Boxes that the proposal network gives.
        grid: Rows and columns of the fallback grid; 0 for none.
        scales: Square roots of anchor areas, relative to the photo's side.
        ratios: Heights over widths of the anchors.
        width: Channels of the proposal network's bottleneck.
        iou_threshold: Overlap from which a lower-scored proposal is dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    photo_size: PositiveInt = 224
    input_size: int = Field(default=320, multiple_of=32, ge=64)
    stride: Literal[4, 8, 16] = 16
    proposals: int = Field(default=24, ge=0)
    grid: int = Field(default=5, ge=0)
    scales: tuple[float, ...] = (0.03, 0.06, 0.12, 0.25, 0.5, 0.8)
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    width: PositiveInt = 96
    iou_threshold: float = Field(default=0.6, gt=0, le=1)

    @property
    def count(self) -> int:
        """Regions of a photo."""
        return self.proposals + 1 + self.grid**2

    @property
    def map_size(self) -> int:
        """Rows, and columns, of the trunk's map."""
        return self.input_size // self.stride

    def anchors(self) -> NDArray[np.float32]:
        """The proposal network's anchors, `(anchors, 4)`."""
        return anchors(self.map_size, self.map_size, self.scales, self.ratios)

    def fallback(self) -> NDArray[np.float32]:
        """The whole photo and the grid's boxes, `(1 + grid², 4)`."""
        whole = np.array([[0, 0, 1, 1]], np.float32)
        return np.concatenate([whole, grid(self.grid, self.grid)]) if self.grid else whole


class Regions(NamedTuple):
    """Boxes of a batch of photos, their scores, and a feature vector each."""

    boxes: tf.Tensor
    scores: tf.Tensor
    features: tf.Tensor


def proposal_network(config: RegionConfig, channels: int = STRIDE_16_CHANNELS) -> keras.Model:
    """Builds the slim network that scores and moves every anchor.

    A 1×1 bottleneck, then two depthwise 5×5 convolutions (the second dilated, for context)
    with shortcuts, then one 1×1 convolution each for objectness and deltas (Ren et al. 2015).

    Args:
        config: Map size, anchors and width.
        channels: Of the trunk's map.

    Input shape: `(batch, rows, columns, channels)`.
    Output shape: objectness logits `(batch, anchors)` and deltas `(batch, anchors, 4)`.
    """
    size, per_cell = config.map_size, len(config.scales) * len(config.ratios)
    features = keras.Input((size, size, channels), name="map")
    x = layers.SpatialDropout2D(0.2)(features)
    x = layers.Conv2D(config.width, 1, activation="relu", name="bottleneck")(x)
    for dilation in (1, 2):
        y = layers.DepthwiseConv2D(5, padding="same", dilation_rate=dilation)(x)
        x = layers.Add()([x, layers.Conv2D(config.width, 1, activation="relu")(y)])
    # Few anchors hold an object: starting at 5 % spares the first steps (Lin et al. 2017, 4.1).
    rare = keras.initializers.Constant(-3.0)
    still = keras.initializers.RandomNormal(stddev=0.01)
    objectness = layers.Conv2D(per_cell, 1, bias_initializer=rare, name="objectness")(x)
    deltas = layers.Conv2D(4 * per_cell, 1, kernel_initializer=still, name="deltas")(x)
    outputs = [layers.Reshape((-1,))(objectness), layers.Reshape((-1, 4))(deltas)]
    return keras.Model(features, outputs, name="proposal_network")


class RegionDetector:
    """Trunk, proposal network and top as one: photos to regions.

    Args:
        config: Which regions a photo has.
        trunk: Photos to a map, such as `efficientnet_lite.trunk` at `config.input_size`.
        network: `proposal_network(config)`.
        top: That map to the features of regions, such as `efficientnet_lite.top`.
        bins: Bins a side that RoIAlign reads of a region, laid end to end in its features: more
            than one tells shapes apart, which a mean over the region blurs.

    Example:
        >>> detector = RegionDetector.imagenet(RegionConfig())
        >>> detector.regions(photos).features.shape     # photos: (8, 224, 224, 3), uint8
        TensorShape([8, 49, 1280])
    """

    def __init__(
        self,
        config: RegionConfig,
        trunk: keras.Model,
        network: keras.Model,
        top: keras.Model,
        bins: int = 1,
    ) -> None:
        self.config, self.trunk, self.network, self.top = config, trunk, network, top
        self._proposal = RegionProposal(config.anchors(), config.proposals, config.iou_threshold)
        self._align = RoIAlign(bins)
        self.maps = tf.function(self._maps, reduce_retracing=True)
        self.proposals = tf.function(self._proposals, reduce_retracing=True)
        self.features = tf.function(self._features, reduce_retracing=True)
        self.regions = tf.function(self._regions, reduce_retracing=True)

    @classmethod
    def imagenet(cls, config: RegionConfig) -> RegionDetector:
        """Builds a detector with ImageNet weights; its proposal network is untrained.

        Raises:
            ConfigurationError: The map is to have another stride than EfficientNet-Lite0's.
        """
        if config.stride != 16:
            raise ConfigurationError(
                f"EfficientNet-Lite0's map is to have stride {config.stride}",
                "stride 16, the only one it has",
                "leave regions.stride at 16; for a finer map enlarge regions.input_size",
            )
        trunk = efficientnet_lite.trunk(config.input_size)
        top = efficientnet_lite.top()
        weights = efficientnet_lite.imagenet_weights()
        efficientnet_lite.load_imagenet(trunk, weights)
        efficientnet_lite.load_imagenet(top, weights)
        return cls(config, trunk, proposal_network(config), top)

    def _maps(self, photos_BHW3: tf.Tensor) -> tf.Tensor:
        """The trunk's maps of photos squashed to `photo_size`, uint8 or float in [0, 255]."""
        size = (self.config.input_size, self.config.input_size)
        enlarged = tf.image.resize(tf.cast(photos_BHW3, tf.float32), size)
        return self.trunk(enlarged, training=False)

    def _proposals(self, maps_BHWC: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """All boxes `(B, K, 4)` and scores `(B, K)`: proposals, whole photo, grid."""
        fallback = tf.constant(self.config.fallback())
        batch = tf.shape(maps_BHWC)[0]
        boxes = tf.tile(fallback[None], (batch, 1, 1))
        scores = tf.zeros((batch, len(fallback)))
        if self.config.proposals == 0:
            return boxes, scores
        # Suppression has no gradient: where a loss reaches regions, their boxes are constants.
        found, objectness = map(
            tf.stop_gradient, self._proposal(*self.network(maps_BHWC, training=False))
        )
        return tf.concat([found, boxes], 1), tf.concat([objectness, scores], 1)

    def _features(self, maps_BHWC: tf.Tensor, boxes_BK4: tf.Tensor) -> tf.Tensor:
        """Feature vectors `(B, K, bins² · channels)` of the given boxes."""
        features = self.top(maps_BHWC, training=False)
        aligned = self._align(features, boxes_BK4)
        size = self._align.bins**2 * features.shape[-1]
        return tf.reshape(aligned, (*tf.unstack(tf.shape(boxes_BK4)[:2]), size))

    def _regions(self, photos_BHW3: tf.Tensor) -> Regions:
        maps = self._maps(photos_BHW3)
        boxes, scores = self._proposals(maps)
        return Regions(boxes, scores, self._features(maps, boxes))
