"""What is set in the playground: checked, in the address and back, and as what is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self, get_args
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gatescope.catalog.activations import ACTIVATIONS
from gatescope.catalog.initializers import INITIALIZERS
from gatescope.catalog.lookup import find
from gatescope.catalog.optimizers import OPTIMIZERS
from gatescope.catalog.rows import Interval
from gatescope.errors import GatescopeError, UsageError

if TYPE_CHECKING:
    from gatescope.recipes.kinds.playground import Playground

DataName = Literal["circles", "moons", "spirals", "xor", "iris", "digits", "csv"]
DATA: Mapping[DataName, str] = {
    "circles": "Two circles", "moons": "Two moons", "spirals": "Two spirals", "xor": "XOR",
    "iris": "Iris", "digits": "Digits", "csv": "A CSV file of your own",
}  # fmt: skip
SHAPES = ("circles", "moons", "spirals", "xor")
"""Data that are made here, with noise."""
ScheduleName = Literal["constant", "step", "exponential", "cosine", "one_cycle"]
SCHEDULES = get_args(ScheduleName)
MOST_LAYERS, MOST_UNITS = 6, 16
MOST_BYTES = 1_000_000
"""Of a table of one's own."""
_NO_UNITS_OWN = ("glu", "threshold", "softmax", "log_softmax", "sparsemax")
ACTIVATION_NAMES = tuple(name for name in ACTIVATIONS if name not in _NO_UNITS_OWN)
INITIALIZER_NAMES = tuple(name for name, row in INITIALIZERS.items() if row.shape != "fixed")
OPTIMIZER_NAMES = tuple(name for name in OPTIMIZERS if name not in
                        ("loss_scale_optimizer", "multi_optimizer"))  # fmt: skip


class ScheduleSetting(NamedTuple):
    """A number that a schedule is made with."""

    name: str
    default: float
    span: Interval


OF_SCHEDULES: Mapping[str, tuple[ScheduleSetting, ...]] = {
    "constant": (),
    "step": (
        ScheduleSetting("epochs", 20, Interval(1, 200)),
        ScheduleSetting("factor", 0.5, Interval(0.05, 0.95)),
    ),
    "exponential": (
        ScheduleSetting("epochs", 20, Interval(1, 200)),
        ScheduleSetting("factor", 0.5, Interval(0.05, 0.95)),
    ),
    "cosine": (
        ScheduleSetting("warmup", 0.0, Interval(0, 0.5)),
        ScheduleSetting("end", 0.0, Interval(0, 1)),
    ),
    "one_cycle": (
        ScheduleSetting("start", 0.04, Interval(0, 1)),
        ScheduleSetting("rise", 0.3, Interval(0.05, 0.95)),
        ScheduleSetting("end", 0.0, Interval(0, 1)),
    ),
}


class Layer(BaseModel):
    """A hidden layer.

    Args:
        units: How many.
        activation: As the catalog spells it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    units: Annotated[int, Field(ge=1, le=MOST_UNITS)]
    activation: str

    @field_validator("activation")
    @classmethod
    def _is_known(cls, name: str) -> str:
        found = find("activation", name).name
        if found not in ACTIVATION_NAMES:
            raise ValueError(f"{found} is no activation of single units")
        return found


class Settings(BaseModel):
    """Everything that can be set.

    Args:
        data: What is learned.
        samples: Points that are made.
        noise: Their deviation.
        held_out: Share that is not learned from.
        layers: Hidden ones.
        initializer: Of kernels; empty for the one that the catalog advises.
        normalization: Of each hidden layer, before its activation.
        dropout: Share of units that a step leaves out.
        l1: Penalty on the sizes of weights.
        l2: Penalty on their squares.
        loss: Empty for the usual one.
        optimizer: Its name.
        optimizer_settings: Those that are not Keras' defaults.
        rate: The learning rate, or a schedule's peak.
        schedule: Its name.
        schedule_settings: Those that are not the defaults.
        epochs: The length of the schedule.
        batch: Samples a step.
        seed: Of weights and batches; points and split have one of their own, of the same number.
        pace: Steps a second at most; 0 for as many as there can be.
        target: Column of a table of one's own that is predicted; empty for the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: DataName = "circles"
    samples: Annotated[int, Field(ge=40, le=2_000)] = 400
    noise: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    held_out: Annotated[float, Field(ge=0.1, le=0.8)] = 0.3
    layers: Annotated[tuple[Layer, ...], Field(max_length=MOST_LAYERS)] = (
        Layer(units=8, activation="tanh"),
        Layer(units=6, activation="tanh"),
    )
    initializer: str = ""
    normalization: Literal["none", "batch", "layer"] = "none"
    dropout: Annotated[float, Field(ge=0, le=0.8)] = 0.0
    l1: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    l2: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    loss: str = ""
    optimizer: str = "adam"
    optimizer_settings: Mapping[str, float] = {}
    rate: Annotated[float, Field(ge=1e-5, le=10)] = 0.01
    schedule: ScheduleName = "constant"
    schedule_settings: Mapping[str, float] = {}
    epochs: Annotated[int, Field(ge=1, le=1_000)] = 60
    batch: Annotated[int, Field(ge=1, le=256)] = 16
    seed: Annotated[int, Field(ge=0, le=9_999)] = 1
    pace: Annotated[int, Field(ge=0, le=10_000)] = 100
    target: Annotated[str, Field(max_length=200)] = ""

    @field_validator("initializer")
    @classmethod
    def _draws(cls, name: str) -> str:
        found = find("initializer", name).name if name else ""
        if found and found not in INITIALIZER_NAMES:
            raise ValueError(f"{found} draws nothing at random")
        return found

    @field_validator("optimizer")
    @classmethod
    def _is_one(cls, name: str) -> str:
        found = find("optimizer", name).name
        if found not in OPTIMIZER_NAMES:
            raise ValueError(f"{found} cannot be chosen by its name")
        return found

    @model_validator(mode="after")
    def _within_bounds(self) -> Self:
        known = {one.name for one in optimizer_settings(self.optimizer)}
        if strange := set(self.optimizer_settings) - known:
            raise ValueError(f"{self.optimizer} has no setting {min(strange)}")
        spans = {one.name: one.span for one in OF_SCHEDULES[self.schedule]}
        for name, value in self.schedule_settings.items():
            if name not in spans or not spans[name].low <= value <= spans[name].high:
                raise ValueError(f"{name} of the schedule {self.schedule} cannot be {value:g}")
            if self.schedule == "step" and name == "epochs" and value != int(value):
                raise ValueError(f"a stair of the schedule step cannot be {value:g} epochs long")
        return self

    def but(self, **changed: Any) -> Settings:
        """Other settings.

        Args:
            **changed: What differs.

        Raises:
            UsageError: They cannot be.
        """
        return _checked(self.model_dump() | changed)

    @property
    def structure(self) -> Settings:
        """What a training is built of: a rate and a pace can change while it runs."""
        return self.model_copy(update={"rate": 0.01, "pace": 0})

    @property
    def address(self) -> str:
        """Where this can be found again; what is as at first stands not in it."""
        asked = urlencode(dict(self._query()), safe=":,")
        return f"/playground?{asked}" if asked else "/playground"

    def _query(self) -> Iterator[tuple[str, str]]:
        first = Settings()
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value == getattr(first, name):
                continue
            if name == "layers":
                told = ",".join(f"{one.units}:{one.activation}" for one in value)
                yield name, told or "none"
            elif isinstance(value, Mapping):
                yield from ((f"{name.partition('_')[0]}.{key}", f"{one:g}")
                            for key, one in value.items())  # fmt: skip
            else:
                yield name, f"{value:g}" if isinstance(value, float) else str(value)

    def playground(self, table: Path | None = None) -> Playground:
        """What the library trains.

        Args:
            table: A file of the visitor's own, where that is what is learned.

        Raises:
            GatescopeError: The parts do not go together, or the data cannot be used.
        """
        from gatescope.recipes.kinds.playground import Playground, network_for
        from gatescope.training.fit import FitConfig
        from gatescope.training.optimizers import OptimizerConfig

        source = self._source(table)
        network = network_for(
            source.load(), loss=self.loss or None,
            hidden=tuple(one.units for one in self.layers),
            activations=tuple(one.activation for one in self.layers),
            initializer=self.initializer or None, dropout=self.dropout, l1=self.l1, l2=self.l2,
            normalization=None if self.normalization == "none" else self.normalization,
        )  # fmt: skip
        optimizer = OptimizerConfig(
            name=self.optimizer, learning_rate=self.rate, settings=self.optimizer_settings
        )
        asked = {"kind": self.schedule, **self._of_schedule()}
        training = FitConfig.model_validate(
            {"epochs": self.epochs, "batch_size": self.batch, "optimizer": optimizer,
             "seed": self.seed, "schedule": asked}
        )  # fmt: skip
        return Playground(data=source, network=network, training=training)

    def _of_schedule(self) -> dict[str, float]:
        return {
            one.name: self.schedule_settings.get(one.name, one.default)
            for one in OF_SCHEDULES[self.schedule]
        }

    def _source(self, table: Path | None) -> Any:
        from gatescope.data.bundled import Bundled
        from gatescope.recipes.kinds.playground import own_table

        if self.data == "csv":
            if table is None:
                raise UsageError(
                    "no CSV file was chosen in this tab", "a table of numbers with a column to "
                    "predict", "choose one under Data; a link does not hold it",
                )  # fmt: skip
            return own_table(table, self.target, self.held_out, self.seed)
        return Bundled(
            name=self.data, samples=self.samples, noise=self.noise, flat=True,
            dev=self.held_out, test=0.0, seed=self.seed,
        )  # fmt: skip


def settings_of(asked: Mapping[str, str]) -> Settings:
    """What an address asks for.

    Args:
        asked: Its query.

    Raises:
        UsageError: It asks for what cannot be.
    """
    told: dict[str, Any] = {"optimizer_settings": {}, "schedule_settings": {}}
    for key, value in asked.items():
        kind, dot, name = key.partition(".")
        if dot and f"{kind}_settings" in told:
            told[f"{kind}_settings"][name] = value
        elif key == "layers":
            told[key] = _layers(value)
        elif key in Settings.model_fields:
            told[key] = value
        else:
            raise UsageError(
                f"the address sets {key!r}", f"one of {', '.join(Settings.model_fields)}",
                "leave it out",
            )  # fmt: skip
    return _checked(told)


def _layers(written: str) -> list[dict[str, str]]:
    """Hidden layers as an address has them: `8:tanh,4:relu`, or `none`."""
    parts = [] if written in ("", "none") else written.split(",")
    found = [part.partition(":") for part in parts]
    return [{"units": units, "activation": name or "tanh"} for units, _, name in found]


def _checked(told: Mapping[str, Any]) -> Settings:
    try:
        return Settings.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{where or 'a setting'} cannot be {str(first['input'])[:60]!r}" if where else
            first["msg"].removeprefix("Value error, "),
            first["msg"].removeprefix("Value error, "), "change it",
        ) from None  # fmt: skip
    except GatescopeError as error:
        raise UsageError(error.happened, error.expected, error.fix) from None


class OptimizerSetting(NamedTuple):
    """A number that an optimizer of Keras takes, beside its rate."""

    name: str
    default: float
    span: Interval
    meaning: str


@lru_cache
def optimizer_settings(name: str) -> tuple[OptimizerSetting, ...]:
    """What can be set of an optimizer, with the bounds that the catalog calls typical.

    Args:
        name: As the catalog spells it.
    """
    return tuple(
        OptimizerSetting(one.name, float(one.default), one.typical, one.meaning)
        for one in find("optimizer", name).settings
        if one.name != "learning_rate" and one.default is not None and not _whole(one.default)
    )


def _whole(default: float) -> bool:
    """Whether a setting counts something: Keras takes no 5.0 for a number of steps."""
    return isinstance(default, int)
