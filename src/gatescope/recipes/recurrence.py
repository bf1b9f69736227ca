"""Recurrence: what a network still knows of the first step when sixty more have gone by.

The first step of each sequence shows one of four signals, then comes noise, and at the end the
signal is to be named. A simple recurrent network makes each state of the one before by the same
matrix, so the gradient on its way back is multiplied by that matrix at each step: it dies away, or
blows up, and the network never learns what the beginning was for. An LSTM adds to a state that
gates protect; a GRU mixes old and new by a gate. The gradient can pass, and so can the memory.

Predict: whose gradient still reaches the first step? The page draws it, step by step.

Data: made here (--set data.task=adding asks for a sum). Minutes on two cores: 2. Expected: test
accuracy 0.9 to 1 of LSTM and GRU. Baseline: the simple network; logistic regression of all steps.
"""

from gatescope.data.memory import LongMemory
from gatescope.models.heads import OutputConfig, SequenceInput
from gatescope.models.recurrent import RecurrentConfig
from gatescope.recipes.network import NetworkRecipe
from gatescope.recipes.through_time import measure, pictures
from gatescope.training.fit import FitConfig
from gatescope.training.optimizers import OptimizerConfig

__all__ = ["measure", "pictures", "recipe"]


def recipe() -> NetworkRecipe:
    """The same task for three kinds of cells, 32 units each."""
    return NetworkRecipe(
        data=LongMemory(task="recall", length=60),
        network=RecurrentConfig(
            inputs=(SequenceInput(name="sequence", length=60, features=4),),
            cell="simple",
            units=(32,),
            outputs=(OutputConfig(kind="classes", name="answer", units=4),),
        ),
        training=FitConfig(epochs=15, clip_norm=1, optimizer=OptimizerConfig(learning_rate=0.003)),
        variants={
            "simple": (),
            "lstm": ("network.cell=lstm",),
            "gru": ("network.cell=gru",),
        },
        baselines=("guess",),
        expected={"lstm": (0.9, 1), "gru": (0.9, 1)},
    )
