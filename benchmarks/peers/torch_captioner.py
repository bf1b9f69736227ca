"""The captioner of `gatescope.caption.decoder` in PyTorch.

What can be done once is done once, as in ours: regions are projected once a photo, and the inputs
of the LSTM in one product before the loop. The loop itself is written out, since `nn.LSTM` does
not give the memory of every step, which the sentinel needs; it is faster than `nn.LSTMCell`.

Suffixes: B photos, K regions, F features, G captions of a photo, T time steps, U units, V words.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Memory(NamedTuple):
    """What is computed once a photo."""

    values: Tensor  # (B, K, U)
    keys: Tensor  # (B, K, U)
    photo: Tensor  # (B, 4·U)
    states: tuple[Tensor, Tensor]  # (B, U) each


class Captioner(nn.Module):
    """LSTM with attention over regions and a sentinel.

    Args:
        vocabulary_size: Words, special tokens included.
        features: Size of a region's features.
        units: Size of states, word vectors and projected regions.
        dropout: On word vectors, projected regions and the output.
    """

    def __init__(self, vocabulary_size: int, features: int, units: int, dropout: float) -> None:
        super().__init__()
        self.units = units
        self.words = nn.Embedding(vocabulary_size, units)
        self.normalize = nn.LayerNorm(features, eps=1e-3)
        self.project = nn.Linear(features + 7, units)
        self.key = nn.Linear(units, units, bias=False)
        self.query = nn.Linear(units, units, bias=False)
        self.word_input = nn.Linear(units, 4 * units, bias=False)
        self.photo_input = nn.Linear(units, 4 * units, bias=False)
        self.recurrent = nn.Linear(units, 4 * units)
        self.first_states = nn.Linear(units, 2 * units)
        self.sentinel_gate = nn.Linear(units, units)
        self.sentinel_key = nn.Linear(units, units, bias=False)
        self.output_state = nn.Linear(2 * units, units)
        self.word_bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.dropout = nn.Dropout(dropout)
        self.initialize()

    def initialize(self) -> None:
        """First weights as Keras draws them."""
        for part in self.children():
            if isinstance(part, nn.Embedding | nn.Linear):
                nn.init.xavier_uniform_(part.weight)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)
        nn.init.orthogonal_(self.recurrent.weight)
        with torch.no_grad():  # the forget gate starts open
            self.recurrent.bias[self.units : 2 * self.units] = 1

    def forward(
        self,
        features_BKF: Tensor,
        boxes_BK4: Tensor,
        words_BGT: Tensor,
        said_BGT: Tensor | None = None,
    ) -> Tensor:
        """Logits `(B, G, T, V)`, or `(words, V)` of the words that `said_BGT` chooses."""
        memory = self.remember(features_BKF, boxes_BK4)
        photos, captions, steps = words_BGT.shape
        projected = self.word_input(self.dropout(self.words(words_BGT)))
        projected = (projected + memory.photo[:, None, None]).flatten(0, 1)
        output, last = (state.repeat_interleave(captions, 0) for state in memory.states)
        outputs, lasts = [], []
        for at_step in projected.unbind(1):
            output, last = self.cell(at_step, output, last)
            outputs.append(output)
            lasts.append(last)
        asked = (photos, captions * steps, self.units)
        states = (torch.stack(part, 1).reshape(asked) for part in (outputs, lasts))
        state, _ = self.look(memory, *states)
        state = state.view(photos, captions, steps, self.units)
        return self.score(self.dropout(state if said_BGT is None else state[said_BGT]))

    def remember(self, features_BKF: Tensor, boxes_BK4: Tensor) -> Memory:
        """Projects regions and their places."""
        size = boxes_BK4[..., 2:] - boxes_BK4[..., :2]
        place = torch.cat([boxes_BK4, size, size[..., :1] * size[..., 1:]], -1)
        regions = torch.cat([self.normalize(features_BKF), place], -1)
        values = self.dropout(functional.relu(self.project(regions)))
        mean = values.mean(1)
        states = torch.tanh(self.first_states(mean)).chunk(2, -1)
        return Memory(values, self.key(values), self.photo_input(mean), states)

    def cell(self, projected: Tensor, output: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """One LSTM step."""
        enter, keep, new, leave = (projected + self.recurrent(output)).chunk(4, -1)
        last = torch.sigmoid(keep) * last + torch.sigmoid(enter) * torch.tanh(new)
        return torch.sigmoid(leave) * torch.tanh(last), last

    def look(self, memory: Memory, output_BQU: Tensor, last_BQU: Tensor) -> tuple[Tensor, Tensor]:
        """What each state says before the vocabulary, `(B, Q, U)`, and the weights."""
        query = self.query(output_BQU) * self.units**-0.5
        sentinel = torch.sigmoid(self.sentinel_gate(output_BQU)) * torch.tanh(last_BQU)
        blind = (query * self.sentinel_key(sentinel)).sum(-1, keepdim=True)
        scores = torch.cat([query @ memory.keys.transpose(1, 2), blind], -1)
        weights = scores.float().softmax(-1)
        looked = weights.to(memory.values.dtype)
        context = looked[..., :-1] @ memory.values + looked[..., -1:] * sentinel
        return torch.tanh(self.output_state(torch.cat([output_BQU, context], -1))), weights

    def score(self, state: Tensor) -> Tensor:
        """Logits of the words."""
        return functional.linear(state, self.words.weight, self.word_bias)
