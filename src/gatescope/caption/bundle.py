"""A bundle: one folder that holds all a captioner needs, checked when it is opened.

`bundle.json` describes the captioner and lists the SHA-256 of every other file;
`weights.safetensors` holds decoder, proposal network and, where it was trained, the top, as
float16; `vocabulary.json` the words; `replay.safetensors` two tiny inputs with what the captioner
made of them when it was saved. Opening a bundle replays them, so a change in any library that
shifts preprocessing or arithmetic is noticed before a caption is believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from gatescope.caption.decoder import CaptionDecoder, DecoderConfig
from gatescope.caption.decoding import Decoding
from gatescope.caption.folders import DESCRIPTION, LEFT_OVER
from gatescope.caption.tokenizer import Words
from gatescope.caption.vocabulary import SPECIAL, SPECIAL_WORDS, Vocabulary
from gatescope.data.photos import read_photo
from gatescope.errors import BundleError
from gatescope.models.efficientnet_lite import HEAD_CHANNELS
from gatescope.models.regions import RegionConfig, RegionDetector
from gatescope.training.precision import dtype_policy

FORMAT = 1
SHIPPED = Path(__file__).parent / "shipped"
WEIGHTS, VOCABULARY, REPLAY = "weights.safetensors", "vocabulary.json", "replay.safetensors"
REPLAYED_WORDS = 50
# Replayed log probabilities may differ by this much: float32 sums in another order differ by
# about 1e-4, a skew of one grey level in the input by about 1e-2.
REPLAY_TOLERANCE = 5e-3


class Calibration(BaseModel):
    """Turns a caption's mean log probability into a confidence.

    Platt 1999: `1 / (1 + exp(-(slope · mean log probability + intercept)))`, fitted on dev to
    whether a caption scores at least the median CIDEr-D of the references against each other.

    Args:
        slope: Of the mean log probability a word, natural logarithm.
        intercept: At log probability 0.
        threshold: Confidence below which the captioner says "not sure".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = 0.0
    intercept: float = 0.0
    threshold: float = 0.0

    def confidence(self, logprob: float) -> float:
        """Confidence in [0, 1] of a caption with this mean log probability a word."""
        # The logistic curve, written so that nothing overflows.
        return (1 + math.tanh((self.slope * logprob + self.intercept) / 2)) / 2


class Description(BaseModel):
    """What `bundle.json` says.

    Args:
        format: Version of this layout.
        regions: Which regions a photo has.
        decoder: The recurrent network.
        decoding: How captions are searched by default.
        splitting: How the vocabulary's text is split into words.
        calibration: Of confidence.
        tuned: Whether the weights hold a top of their own in place of ImageNet's.
        scores: Scores on dev, with the split, beam and data they were made on.
        files: SHA-256 of every other file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    regions: RegionConfig
    decoder: DecoderConfig
    decoding: Decoding
    splitting: Words
    calibration: Calibration = Calibration()
    tuned: bool
    scores: dict[str, float | int | str] = {}
    files: dict[str, str] = {}


@dataclass(frozen=True, eq=False)
class Bundle:
    """A captioner's parts, in memory.

    Args:
        description: Configuration.
        vocabulary: Words.
        detector: Photos to regions.
        decoder: Regions to words.
    """

    description: Description
    vocabulary: Vocabulary
    detector: RegionDetector
    decoder: CaptionDecoder


def new_decoder(config: DecoderConfig, vocabulary: Vocabulary, regions: int) -> CaptionDecoder:
    """Builds a decoder with fresh weights of the right shapes."""
    decoder = CaptionDecoder(config, len(vocabulary))
    decoder(
        np.zeros((1, regions, HEAD_CHANNELS), np.float32),
        np.zeros((1, regions, 4), np.float32),
        np.ones((1, 1, 1), np.int32),
    )
    return decoder


def squashed(pixels_HW3: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Squashes pixels by the very path that a file takes: as a lossless one, in memory."""
    file = io.BytesIO()
    Image.fromarray(pixels_HW3).save(file, "PPM")
    return read_photo(file, size=size)


def replay_inputs() -> NDArray[np.uint8]:
    """Two small photos, `(2, 40, 320, 3)`: smooth waves and coarse blocks.

    For most bundles their rows are enlarged and their columns shrunk, as photos' are.
    """
    rows, columns = 40, 320
    y, x = np.mgrid[0:rows, 0:columns] / [[[rows]], [[columns]]]
    waves = np.stack([np.sin(9 * x + 3 * y), np.cos(7 * y), np.sin(5 * x * y)], -1)
    blocks = np.random.default_rng(0).integers(0, 256, (7, 7, 3))
    coarse = blocks[(y * 7).astype(int), (x * 7).astype(int)]
    return np.stack([(waves * 100 + 128), coarse]).clip(0, 255).astype(np.uint8)


def replay(bundle: Bundle) -> dict[str, NDArray[np.generic]]:
    """What the captioner makes of `replay_inputs`: the likeliest first words and their scores."""
    photos = replay_inputs()
    scores = _first_words(bundle, photos)
    likeliest = np.argsort(-scores, -1)[:, :REPLAYED_WORDS].astype(np.int32)
    return {
        "photos": photos,
        "likeliest": likeliest,
        "scores": np.take_along_axis(scores, likeliest, -1),
    }


def _first_words(bundle: Bundle, photos_BHW3: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Log probability of every word as a photo's first, from pixels on, `(photos, words)`."""
    size = bundle.description.regions.photo_size
    regions = bundle.detector.regions(np.stack([squashed(photo, size) for photo in photos_BHW3]))
    start = np.full((len(photos_BHW3), 1, 1), SPECIAL.start, np.int32)
    logits = bundle.decoder(regions.features, regions.boxes, start)
    return np.asarray(keras.ops.log_softmax(logits))[:, 0, 0]


def save_bundle(bundle: Bundle, folder: Path, texts: Mapping[str, str] | None = None) -> None:
    """Writes a bundle; an older one of that name is replaced only once the new one is complete.

    Weights of the given bundle are rounded to half precision in place.

    Args:
        bundle: What to write.
        folder: Where to.
        texts: Further files by name, such as a model card.

    Raises:
        BundleError: The folder holds something else, or weights are no finite half-precision
            numbers.
        OSError: The disk is full; the older bundle stays.
    """
    _check_free(folder)
    rounded = _rounded_to_half(bundle)
    words = json.dumps(bundle.vocabulary.words, ensure_ascii=False, indent=0)
    files = {
        WEIGHTS: save(rounded),
        # Captions may hold halves of a surrogate pair, which JSON can carry and UTF-8 cannot.
        VOCABULARY: words.encode("utf-8", "surrogatepass"),
        REPLAY: save(replay(bundle)),
        **{name: text.encode() for name, text in (texts or {}).items()},
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    description = bundle.description.model_copy(update={"files": digests})
    files[DESCRIPTION] = description.model_dump_json(indent=2).encode()
    _replace(folder, files)


def _check_free(folder: Path) -> None:
    if not folder.exists() or (folder / DESCRIPTION).is_file():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    raise BundleError(
        f"{folder} holds something that is not a bundle, and saving would delete it",
        "a new or empty folder, or an older bundle to replace",
        "name another folder",
    )


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    unfinished, old = (folder.with_name(f"{folder.name}{what}") for what in LEFT_OVER)
    for left in (unfinished, old):
        shutil.rmtree(left, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for name, data in files.items():
            (unfinished / name).write_bytes(data)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    # Two renames, so that a kill between them can at worst leave the bundle under another name.
    if folder.exists():
        folder.rename(old)
    unfinished.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_bundle(folder: Path) -> Bundle:
    """Opens a bundle, checks every file and replays its stored inputs.

    Raises:
        BundleError: The folder is no bundle, of another version, changed, or does not
            reproduce what it said when it was saved.
    """
    description = read_description(folder)
    files = {
        name: _read_checked(folder, name, digest) for name, digest in description.files.items()
    }
    try:
        vocabulary = Vocabulary(_words(files[VOCABULARY]), description.splitting)
        weights, stored = load(files[WEIGHTS]), load(files[REPLAY])
    except (KeyError, TypeError, ValueError, RecursionError, SafetensorError) as cause:
        raise _damaged(folder, f"what it lists cannot be read ({cause})") from cause
    # Whatever policy the user's own script has set for its models.
    with dtype_policy("float32"):
        detector = RegionDetector.imagenet(description.regions)
        decoder = new_decoder(description.decoder, vocabulary, description.regions.count)
    bundle = Bundle(description, vocabulary, detector, decoder)
    _assign(bundle, weights, folder)
    _check_replay(bundle, stored, folder)
    return bundle


def _words(data: bytes) -> tuple[str, ...]:
    words = json.loads(data)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError("the vocabulary is no list of words")
    if tuple(words[: len(SPECIAL_WORDS)]) != SPECIAL_WORDS:
        raise ValueError(f"the vocabulary does not begin with {' '.join(SPECIAL_WORDS)}")
    return tuple(words)


def _parts(bundle: Bundle) -> dict[str, keras.Model]:
    parts = {"decoder": bundle.decoder, "network": bundle.detector.network}
    return {**parts, "top": bundle.detector.top} if bundle.description.tuned else parts


def _variables(bundle: Bundle) -> dict[str, keras.Variable]:
    return {
        f"{part}/{index:03d}/{weight.path.removeprefix(model.name + '/')}": weight
        for part, model in _parts(bundle).items()
        for index, weight in enumerate(
            weight for weight in model.weights if weight.dtype == "float32"
        )
    }


def _rounded_to_half(bundle: Bundle) -> dict[str, NDArray[np.float16]]:
    """Rounds weights in place too, so that what is replayed is what is stored."""
    variables = _variables(bundle)
    with np.errstate(over="ignore"):
        halves = {name: weight.numpy().astype(np.float16) for name, weight in variables.items()}
    for name, half in halves.items():
        if not np.isfinite(half).all():
            raise BundleError(
                f"the weights {name} are not numbers that half precision holds",
                f"finite numbers up to {np.finfo(np.float16).max:,.0f}",
                "the training diverged: lower its learning rate",
            )
    for name, weight in variables.items():
        weight.assign(halves[name].astype(np.float32))
    return halves


def _assign(bundle: Bundle, weights: Mapping[str, NDArray[np.generic]], folder: Path) -> None:
    wanted = _variables(bundle)
    stored = {_place(name): value for name, value in weights.items()}
    for name, weight in wanted.items():
        value = stored.get(_place(name))
        if value is None or tuple(value.shape) != tuple(weight.shape):
            raise _damaged(folder, f"its weights have no {name} of shape {tuple(weight.shape)}")
        weight.assign(value.astype(np.float32))


def _place(name: str) -> tuple[str, str]:
    """Part and index: layer names carry a counter that differs from process to process."""
    part, _, rest = name.partition("/")
    return part, rest.partition("/")[0]


def read_description(folder: Path) -> Description:
    """Reads what `bundle.json` says, without opening the rest.

    Raises:
        BundleError: The folder is no bundle, or of another version.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise BundleError(
            f"{folder} is not a captioner bundle: it has no {DESCRIPTION}",
            "a folder written by `gatescope train caption` (RUN/bundle) or the shipped one",
            f"name {folder / 'bundle'}"
            if (folder / "bundle" / DESCRIPTION).is_file()
            else "check the path",
        )
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as cause:
        raise _damaged(folder, f"{DESCRIPTION} is not JSON ({cause})") from cause
    version = content.get("format") if isinstance(content, dict) else None
    if version != FORMAT:
        raise BundleError(
            f"{folder} is a bundle of format {version}",
            f"format {FORMAT}, which this version of Gatescope reads",
            "train it again with this version, or install the version that wrote it",
        )
    try:
        description = Description.model_validate(content)
    except ValidationError as cause:
        first = cause.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise _damaged(folder, f"{DESCRIPTION}: {place}: {first['msg']}") from cause
    for name in (WEIGHTS, VOCABULARY, REPLAY):
        if name not in description.files:
            raise _damaged(folder, f"{DESCRIPTION} does not list {name}")
    return description


def _read_checked(folder: Path, name: str, digest: str) -> bytes:
    if Path(name).name != name:
        raise _damaged(folder, f"it names {name!r}, which is not in the folder")
    if not (folder / name).is_file():
        raise _damaged(folder, f"{name} is missing")
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise _damaged(folder, f"{name} was changed after the bundle was saved")
    return data


def _check_replay(bundle: Bundle, stored: Mapping[str, NDArray[np.generic]], folder: Path) -> None:
    try:
        photos = np.asarray(stored["photos"], np.uint8)
        likeliest = np.asarray(stored["likeliest"], np.int32)
        found = np.take_along_axis(_first_words(bundle, photos), likeliest, -1)
        off = float(np.abs(found - np.asarray(stored["scores"], np.float32)).max())
    except (KeyError, IndexError, TypeError, ValueError) as cause:
        raise _damaged(folder, f"{REPLAY} holds no example ({cause})") from cause
    if not off <= REPLAY_TOLERANCE:  # true of NaN too
        raise BundleError(
            f"{folder} no longer reproduces its stored example (off by {off:.2g})",
            f"the same words with log probabilities within {REPLAY_TOLERANCE}",
            "reinstall Gatescope and its pinned dependencies; captions made now would differ "
            "from those that were evaluated",
        )


def _damaged(folder: Path, reason: str) -> BundleError:
    return BundleError(
        f"the bundle {folder} cannot be used: {reason}",
        "the files as `gatescope train caption` wrote them",
        "copy the bundle again from where it was trained",
    )
