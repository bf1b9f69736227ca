"""Beam search and sampling in one compiled graph over photos × beams.

Suffixes: B photos, W beams, T time steps, V words, K regions.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import tensorflow as tf
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from gatescope.errors import UsageError

# Far below every log probability, and still finite when a few are added.
FORBIDDEN = -1e9
# Beams that a user may ask for: memory grows with beams × words, and captions stop changing.
MOST_BEAMS = 100

States = tuple[tf.Tensor, ...]
# words (B, W) and states (B, W, …) -> log probabilities (B, W, V), states, weights (B, W, K + 1)
StepFunction = Callable[[tf.Tensor, States], tuple[tf.Tensor, States, tf.Tensor]]


class Decoding(BaseModel):
    """How captions are searched.

    Args:
        beam: Hypotheses kept for each photo; 1 is greedy.
        longest: Most words of a caption; at this length the end token is forced.
        length_penalty: Exponent `a` in `log probability / length ** a`, by which finished
            captions are compared (Wu et al. 2016 without its constants). 0 favours short ones.
        block_trigrams: Whether a caption may say the same three words only once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    beam: PositiveInt = 3
    longest: PositiveInt = 20
    length_penalty: float = Field(default=0.7, ge=0)
    block_trigrams: bool = True

    def with_beam(self, beam: int) -> Decoding:
        """The same search with another beam size.

        Args:
            beam: From 1 to `MOST_BEAMS`.

        Raises:
            UsageError: It is something else.
        """
        if isinstance(beam, Integral) and 1 <= beam <= MOST_BEAMS:
            return self.model_copy(update={"beam": int(beam)})
        raise UsageError(
            f"beam={beam!r}",
            f"a whole number from 1, which is greedy, to {MOST_BEAMS}",
            "pass beam=3, say; captions hardly change beyond 5",
        )


class SpecialTokens(NamedTuple):
    """Ids that are not words."""

    pad: int = 0
    start: int = 1
    end: int = 2
    unknown: int = 3


class Hypotheses(NamedTuple):
    """Captions of each photo, best first.

    Where fewer captions than beams are possible, the last ones are padding alone, with
    `FORBIDDEN` as their score.
    """

    words: tf.Tensor  # (B, W, T): ids, the end token included, then padding
    logprobs: tf.Tensor  # (B, W, T): of each word; 0 on padding
    weights: tf.Tensor  # (B, W, T, K + 1): where the decoder looked for each word
    scores: tf.Tensor  # (B, W): length-normalized


def beam_search(
    step: StepFunction,
    states: States,
    places: int | tf.Tensor,
    decoding: Decoding,
    special: SpecialTokens,
) -> Hypotheses:
    """Finds the best captions under `step`.

    Never says a special token, never ends before the first word, and forces the end at
    `decoding.longest` words.

    Args:
        step: Scores one more word of every hypothesis.
        states: First states, `(photos, units)` each.
        places: Regions that `step` weighs, the sentinel included.
        decoding: Beam size and rules.
        special: Ids of the tokens that are not words.

    Returns:
        `decoding.beam` hypotheses a photo, sorted by normalized score.
    """
    width, length = decoding.beam, decoding.longest + 1
    batch = tf.shape(states[0])[0]
    states = tuple(tf.repeat(state[:, None], width, axis=1) for state in states)
    words = tf.fill((batch, width, length), special.pad)
    logprobs = tf.zeros((batch, width, length))
    weights = tf.zeros((batch, width, length, places))
    # All beams start equal: all but the first wait, or the search would keep W copies of one.
    total = tf.tile(tf.constant([[0.0] + [FORBIDDEN] * (width - 1)]), (batch, 1))
    last = tf.fill((batch, width), special.start)
    done = tf.zeros((batch, width), tf.bool)

    def body(
        t: tf.Tensor,
        words: tf.Tensor,
        logprobs: tf.Tensor,
        weights: tf.Tensor,
        total: tf.Tensor,
        last: tf.Tensor,
        done: tf.Tensor,
        states: States,
    ) -> tuple[tf.Tensor, ...]:
        scores, states, looked = step(last, states)
        size = tf.shape(scores)[-1]
        allowed = scores + _forbidden(t, size, length, special)
        if decoding.block_trigrams:
            allowed += _repeated_trigrams(words, t, size)
        # A finished hypothesis waits: its one continuation is padding, at no cost.
        waiting = FORBIDDEN * (1 - tf.one_hot(special.pad, size))
        allowed = tf.where(done[..., None], waiting, allowed)
        best, index = tf.math.top_k(tf.reshape(total[..., None] + allowed, (batch, -1)), width)
        beam, word = index // size, index % size

        def follow(kept: tf.Tensor) -> tf.Tensor:
            return tf.gather(kept, beam, batch_dims=1)

        gained = tf.gather(follow(scores), word, batch_dims=2)
        done = follow(done)
        now = tf.one_hot(t, length, dtype=tf.float32)
        words = follow(words) + word[..., None] * tf.cast(now, tf.int32)
        logprobs = follow(logprobs) + tf.where(done, 0.0, gained)[..., None] * now
        looked = tf.where(done[..., None], 0.0, follow(looked))
        weights = follow(weights) + looked[:, :, None] * now[:, None]
        done |= word == special.end
        return t + 1, words, logprobs, weights, best, word, done, tuple(map(follow, states))

    first = (tf.constant(0), words, logprobs, weights, total, last, done, states)
    _, words, logprobs, weights, total, *_ = tf.while_loop(
        lambda t, *state: (t < length) & ~tf.reduce_all(state[5]), _keeping_shapes(body), first
    )
    return _ranked(words, logprobs, weights, total, decoding, special)


def _keeping_shapes(body: Callable[..., tuple[object, ...]]) -> Callable[..., tuple[object, ...]]:
    """Tells the loop that no step changes a shape; gathering along beams forgets the batch."""

    def kept(*state: object) -> tuple[object, ...]:
        return tf.nest.map_structure(
            lambda new, old: tf.ensure_shape(new, old.shape), body(*state), state
        )

    return kept


def unsayable(size: tf.Tensor | int, special: SpecialTokens) -> tf.Tensor:
    """Keeps tokens that are no words, and not the end, from being said: an addend `(V,)`."""
    tokens = [special.pad, special.start, special.unknown]
    return FORBIDDEN * tf.reduce_sum(tf.one_hot(tokens, size), 0)


def _forbidden(t: tf.Tensor, size: tf.Tensor, length: int, special: SpecialTokens) -> tf.Tensor:
    """What no hypothesis may say at step `t`, as an addend `(V,)`."""
    never, end = unsayable(size, special), FORBIDDEN * tf.one_hot(special.end, size)
    banned = tf.where(t == 0, tf.minimum(never, end), never)
    return tf.where(t == length - 1, FORBIDDEN - end, banned)


def _repeated_trigrams(words: tf.Tensor, t: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """An addend `(B, W, V)` that forbids the third word of any trigram said before."""
    beams, before = tf.shape(words)[:2], tf.range(tf.shape(words)[-1] - 2)
    last = tf.gather(words, tf.maximum(t - 2, 0), axis=-1)[..., None]
    second = tf.gather(words, tf.maximum(t - 1, 0), axis=-1)[..., None]
    same = (words[..., :-2] == last) & (words[..., 1:-1] == second) & (before < t - 2)
    row = tf.reshape(tf.range(tf.reduce_prod(beams)), tf.concat([beams, [1]], 0))
    third = tf.stack([tf.broadcast_to(row, tf.shape(same)), words[..., 2:]], -1)
    # Scattered, for one-hot rows of every window would be the search's largest tensor by far.
    addend = tf.scatter_nd(third, tf.where(same, FORBIDDEN, 0.0), [tf.reduce_prod(beams), size])
    return tf.reshape(addend, tf.concat([beams, [size]], 0))


def _ranked(
    words: tf.Tensor,
    logprobs: tf.Tensor,
    weights: tf.Tensor,
    total: tf.Tensor,
    decoding: Decoding,
    special: SpecialTokens,
) -> Hypotheses:
    # With more beams than possible captions, some hold what the rules forbid.
    real = total > FORBIDDEN / 2
    words = tf.where(real[..., None], words, special.pad)
    logprobs = tf.where(real[..., None], logprobs, 0.0)
    weights = tf.where(real[..., None, None], weights, 0.0)
    lengths = tf.reduce_sum(tf.cast(words != special.pad, tf.float32), -1)
    normalized = total / tf.maximum(lengths, 1.0) ** decoding.length_penalty
    scores = tf.where(real, normalized, FORBIDDEN)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    kept = (tf.gather(part, order, batch_dims=1) for part in (words, logprobs, weights, scores))
    return Hypotheses(*kept)


def sample(
    step: StepFunction,
    states: States,
    captions: int,
    longest: int,
    special: SpecialTokens,
    seed: tf.Tensor,
    temperature: float = 1.0,
) -> tf.Tensor:
    """Draws `captions` random captions a photo from the decoder's own distribution.

    Args:
        step: Scores one more word of every caption.
        states: First states, `(photos, units)` each.
        captions: Samples a photo.
        longest: Most words; a caption without an end token ran over.
        special: Ids of the tokens that are not words; only the end token is ever drawn.
        seed: Two integers for stateless draws.
        temperature: Divides log probabilities: below 1 for likely words more often.

    Returns:
        Word ids `(photos, captions, longest + 1)`, the end token included, then padding.
    """
    batch = tf.shape(states[0])[0]
    states = tuple(tf.repeat(state[:, None], captions, axis=1) for state in states)
    last = tf.fill((batch, captions), special.start)
    done = tf.zeros((batch, captions), tf.bool)
    words = tf.TensorArray(tf.int32, longest + 1, element_shape=(None, captions))

    def body(
        t: tf.Tensor, words: tf.TensorArray, last: tf.Tensor, done: tf.Tensor, states: States
    ) -> tuple[object, ...]:
        scores, states, _ = step(last, states)
        size = tf.shape(scores)[-1]
        flat = tf.reshape(scores / temperature + unsayable(size, special), (-1, size))
        # Folded, not added: seeds of successive calls often differ by one, and (seed + t) of one
        # call would repeat the draws of another.
        drawn = tf.random.stateless_categorical(flat, 1, tf.random.fold_in(seed, t), tf.int32)
        word = tf.where(done, special.pad, tf.reshape(drawn, (batch, captions)))
        return t + 1, words.write(t, word), word, done | (word == special.end), states

    _, words, *_ = tf.while_loop(
        lambda t, *_: t <= longest, body, (tf.constant(0), words, last, done, states)
    )
    return tf.transpose(words.stack(), (1, 2, 0))
