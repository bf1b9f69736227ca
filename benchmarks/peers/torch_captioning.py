"""Captions a folder with a Gatescope bundle in eager PyTorch; run by `caption_speed.py`.

Needs `pip install torch numpy pillow safetensors`. Photos are decoded on two threads, a batch
ahead, as ours are.

Suffixes: B photos, K regions, W beams, T words so far with the start token, U units, V words.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from memory import peak_megabytes
from PIL import Image, ImageOps
from safetensors.numpy import load_file
from torch import Tensor, nn
from torch_captioner import Captioner, Memory
from torch_regions import Regions

FORBIDDEN = -1e9
BATCH = 32
# Photos that the CNN sees at a time: maps of more are too large for the allocator to keep, and
# their page faults then take longer than the arithmetic.
CNN_BATCH = 4
Arrays = dict[str, np.ndarray]
# Where the decoder's names in PyTorch and in Keras differ by more than `weight` and `kernel`.
KERAS_NAMES = {
    "words.weight": "words/embeddings",
    "normalize.weight": "normalize/gamma",
    "normalize.bias": "normalize/beta",
    "recurrent.weight": "cell/recurrent_kernel",
    "recurrent.bias": "cell/bias",
}


class Rules(NamedTuple):
    """How captions are searched: `Decoding` of the bundle, and the ids that are no words."""

    beam: int
    longest: int
    length_penalty: float
    block_trigrams: bool
    pad: int
    start: int
    end: int
    unknown: int


class Beams(NamedTuple):
    """Hypotheses of a batch of photos, with what ours keeps of each word too."""

    words: Tensor  # (B, W, T)
    logprobs: Tensor  # (B, W, T - 1): of each word
    weights: Tensor  # (B, W, T - 1, K + 1): where the decoder looked for each word
    total: Tensor  # (B, W): log probability
    done: Tensor  # (B, W)
    states: tuple[Tensor, ...]  # (B, W, U) each


def beam_search(decoder: Captioner, memory: Memory, rules: Rules) -> Beams:
    """The best captions of each photo, best first."""
    beams = first_beams(memory, rules)
    for place in range(rules.longest + 1):
        beams = extended(decoder, memory, beams, rules, place)
        if beams.done.all():
            break
    lengths = (beams.words[..., 1:] != rules.pad).sum(-1)
    order = (beams.total / lengths**rules.length_penalty).argsort(descending=True, stable=True)
    best = torch.arange(len(order))[:, None], order
    return Beams(*(part[best] for part in beams[:-1]), beams.states)


def first_beams(memory: Memory, rules: Rules) -> Beams:
    """Beams that have read the start token; all but one wait, or all would go the same way."""
    photos, regions = memory.values.shape[:2]
    shape = photos, rules.beam
    total = torch.full(shape, FORBIDDEN)
    total[:, 0] = 0
    return Beams(
        words=torch.full((*shape, 1), rules.start),
        logprobs=torch.empty(*shape, 0),
        weights=torch.empty(*shape, 0, regions + 1),
        total=total,
        done=torch.zeros(shape, dtype=torch.bool),
        states=tuple(state[:, None].expand(-1, rules.beam, -1) for state in memory.states),
    )


def extended(decoder: Captioner, memory: Memory, beams: Beams, rules: Rules, place: int) -> Beams:
    """The best beams that are one word longer."""
    scores, states, looked = step(decoder, memory, beams)
    size = scores.shape[-1]
    allowed = restricted(scores, beams, rules, place)
    total, index = (beams.total[..., None] + allowed).flatten(1).topk(rules.beam)
    word = index % size
    kept = torch.arange(len(index))[:, None], index // size
    done = beams.done[kept]
    gained = scores[(*kept, word)].masked_fill(done, 0)
    return Beams(
        words=torch.cat([beams.words[kept], word[..., None]], -1),
        logprobs=torch.cat([beams.logprobs[kept], gained[..., None]], -1),
        weights=torch.cat([beams.weights[kept], looked[kept][:, :, None]], 2),
        total=total,
        done=done | (word == rules.end),
        states=tuple(state[kept] for state in states),
    )


def step(
    decoder: Captioner, memory: Memory, beams: Beams
) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
    """Reads the last words: log probabilities `(B, W, V)`, states and weights."""
    projected = decoder.word_input(decoder.words(beams.words[..., -1])) + memory.photo[:, None]
    output, last = decoder.cell(projected, *beams.states)
    state, weights = decoder.look(memory, output, last)
    return decoder.score(state).log_softmax(-1), (output, last), weights


def restricted(scores_BWV: Tensor, beams: Beams, rules: Rules, place: int) -> Tensor:
    """Scores with what may not be said now far below all else."""
    allowed = scores_BWV.clone()
    if place == rules.longest:
        allowed += FORBIDDEN
        allowed[..., rules.end] = scores_BWV[..., rules.end]
    else:
        never = [rules.pad, rules.start, rules.unknown] + [rules.end] * (place == 0)
        allowed[..., never] += FORBIDDEN
    if rules.block_trigrams:
        words = beams.words
        same = (words[..., :-2] == words[..., -2:-1]) & (words[..., 1:-1] == words[..., -1:])
        allowed.scatter_add_(2, words[..., 2:], same * FORBIDDEN)
    # A finished hypothesis waits: its one continuation is padding, at no cost.
    waiting = torch.full(allowed.shape[-1:], FORBIDDEN)
    waiting[rules.pad] = 0
    return torch.where(beams.done[..., None], waiting, allowed)


class FolderCaptioner:
    """Photos to captions.

    Args:
        settings: What `caption_speed.peer_settings` wrote.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        exported = dict(np.load(settings["backbone"]))
        weights = {**exported, **load_file(settings["weights"])}
        self.size = settings["regions"]["photo_size"]
        self.rules = Rules(**settings["rules"])
        self.words = settings["words"]
        self.regions = Regions(
            settings["regions"],
            settings["stages"],
            settings["trunk_stages"],
            torch.from_numpy(exported["anchors"]),
            torch.from_numpy(exported["fallback"]),
        )
        for part in ("trunk", "network", "top"):
            load_convolutions(getattr(self.regions, part), part, weights)
        self.regions.to(memory_format=torch.channels_last)
        self.decoder = loaded_decoder(weights)
        self.decoder.eval()  # the CNN has neither dropout nor batch normalization

    @torch.inference_mode()
    def caption_all(self, paths: Sequence[str]) -> list[list[str]]:
        """Captions of each photo, best first."""
        captions = []
        for photos in batches(paths, self.size):
            parts = [self.regions(part) for part in photos.split(CNN_BATCH)]
            boxes, features = map(torch.cat, zip(*parts, strict=True))
            beams = beam_search(self.decoder, self.decoder.remember(features, boxes), self.rules)
            captions += [[self.spelled(ids) for ids in beam] for beam in beams.words.tolist()]
        return captions

    def spelled(self, ids: list[int]) -> str:
        """The words of ids, special tokens left out."""
        unsaid = (self.rules.start, self.rules.end, self.rules.pad)
        return " ".join(self.words[index] for index in ids if index not in unsaid)


def load_convolutions(module: nn.Module, part: str, weights: Arrays) -> None:
    """Fills a part whose convolutions stand in the order in which Keras numbers them."""
    arrays = [weights[name] for name in sorted(weights) if name.startswith(f"{part}/")]
    for parameter, array in zip(module.parameters(), arrays, strict=True):
        value = torch.from_numpy(array).float()
        # Keras keeps (rows, columns, in, out), for a depthwise kernel (rows, columns, in, 1).
        value = value.permute(3, 2, 0, 1) if value.ndim == 4 else value
        parameter.data = value.reshape(parameter.shape).contiguous()


def loaded_decoder(weights: Arrays) -> Captioner:
    """The decoder; its sizes are those of its weights."""
    words, units = _array("words.weight", weights).shape
    features = len(_array("normalize.weight", weights))
    decoder = Captioner(words, features, units, dropout=0.0)
    arrays = {name: _array(name, weights) for name, _ in decoder.named_parameters()}
    decoder.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return decoder


def _array(name: str, weights: Arrays) -> np.ndarray:
    """The decoder's weight that PyTorch calls so."""
    own = KERAS_NAMES.get(name, name.replace("weight", "kernel").replace(".", "/"))
    # Before its own name stand part, number and, in some bundles, the model's name.
    (array,) = (
        array
        for full, array in weights.items()
        if full.startswith("decoder/") and full.endswith(f"/{own}")
    )
    return (array.T if "kernel" in own else array).astype(np.float32)  # Keras' are (in, out)


def batches(paths: Sequence[str], size: int) -> Iterator[Tensor]:
    """Batches of photos; the next is decoded while one is captioned."""
    read = partial(read_photo, size=size)
    parts = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(2) as pool:
        ahead = pool.map(read, parts[0])
        for following in [*parts[1:], []]:
            current, ahead = ahead, pool.map(read, following)
            yield torch.from_numpy(np.stack(list(current)))


def read_photo(path: str, size: int) -> np.ndarray:
    """A photo squashed to a square, upright."""
    with Image.open(path) as image:
        image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded smaller
        ImageOps.exif_transpose(image, in_place=True)
        return np.array(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    torch.set_num_threads(settings["threads"])
    captioner = FolderCaptioner(settings)
    print(json.dumps({"version": torch.__version__}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        captions = captioner.caption_all(settings["photos"])
        seconds = time.perf_counter() - start
        answer = {
            "seconds": seconds,
            "captions": [best for best, *_ in captions],
            "peak": peak_megabytes(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
