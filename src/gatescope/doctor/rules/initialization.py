"""The weights before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod, sqrt

from gatescope.doctor.evidence import RECURRENT, Evidence, Layer
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.rules.table import rule

_FAR = 5  # times: a signal is 25 or 1/25 times as strong behind two such layers
_VERY_FAR = 15
_BIASED = 3.0
_FRESH = "glorot_uniform"
_CONSTANTS = ("Zeros", "Ones", "Constant")


def _reset(layers: Sequence[Layer], setting: str, value: str) -> tuple[Change, ...]:
    return tuple(Change("set", f"layer:{one.name}.{setting}", value) for one in layers)


def _names(layers: Sequence[Layer]) -> str:
    return ", ".join(one.name for one in layers)


def _fan_in(layer: Layer) -> int:
    kernel = layer.kernel
    return prod(kernel.shape[:-1]) if kernel else 1


@rule("Goodfellow et al. 2016, section 8.4: initial parameters must break symmetry")
def units_all_alike(case: Evidence) -> Iterator[Finding]:
    """Units that begin the same and stay the same."""
    hidden = {layer.name for layer in case.hidden}
    found = [one for one in case.layers if one.learns and _alike(one)]
    if not found:
        return
    first = next((one for one in found if one.name in hidden), found[0])
    value = (first.kernel.mean if first.kernel else 0.0) or 0.0
    yield Finding(
        cause=f"all weights of {_names(found)} begin at "
        f"{f'{value:g}' if first.kernel else 'one value'}, so units are copies",
        symptom=f"they get the same gradient and stay the same; {case.symptom}",
        remedy="draw them at random, as is the default",
        confidence=0.95 if first.name in hidden else case.sure(0.5, 0.3, 0.1),
        evidence=(f"{first.units} units of {first.name} with equal weights",),
        changes=_reset(found, "kernel_initializer", _FRESH),
        layer=first.name,
        step=0,
    )


def _alike(layer: Layer) -> bool:
    kernel = layer.kernel
    if kernel is None:  # not made yet when it was looked at
        told = layer.config.get("kernel_initializer") or {}
        return told.get("class_name") in _CONSTANTS and (layer.units or 0) > 1
    return kernel.shape[-1] > 1 and kernel.alike and kernel.trainable


@rule("Glorot & Bengio 2010: deviation √(2/(fan_in + fan_out)); He et al. 2015: √(2/fan_in)")
def weights_of_wrong_size(case: Evidence) -> Iterator[Finding]:
    """Weights so large or small that signals explode or vanish from layer to layer."""
    ends = case.head.name if case.head else None
    factors = {one.name: factor for one in case.layers if (factor := _factor(one)) is not None}
    wrong = [
        one
        for one in case.layers
        if not 1 / _FAR < factors.get(one.name, 1.0) < _FAR
        and not (one.name == ends and factors[one.name] < 1)
    ]
    if not wrong:
        return
    first, factor = wrong[0], factors[wrong[0].name]
    very, large = not 1 / _VERY_FAR < factor < _VERY_FAR, factor > 1
    yield Finding(
        cause=f"the first weights of {_names(wrong)} are too {'large' if large else 'small'}",
        symptom=f"signals {'explode or saturate' if large else 'vanish'}; {case.symptom}",
        remedy="take the default initializer, or he_normal for relu",
        confidence=case.sure(0.9, 0.8, 0.5) if very else case.sure(0.7, 0.5, 0.25),
        evidence=(
            f"those of {first.name} are {factor:.3g} times what keeps a signal of "
            f"{_fan_in(first)} inputs as strong as it came",
        ),
        changes=_reset(wrong, "kernel_initializer", _FRESH),
        layer=first.name,
        step=0,
    )


def _factor(layer: Layer) -> float | None:
    """How many times larger first weights are than they should be; None where not known."""
    kernel = layer.kernel
    if kernel is None or kernel.deviation is None or kernel.alike or not kernel.trainable:
        return None
    if not layer.learns:
        return None
    size = sqrt(kernel.deviation**2 + (kernel.mean or 0.0) ** 2)
    inputs, outputs = _fan_in(layer), _fan_in(layer) // kernel.shape[-2] * kernel.shape[-1]
    glorot, he = sqrt(2 / (inputs + outputs)), sqrt(2 / inputs)
    return size / he if size > he else min(1.0, size / glorot)


@rule("Goodfellow et al. 2016, section 8.4: biases begin at 0 or a little above it, for relu")
def biases_far_from_zero(case: Evidence) -> Iterator[Finding]:
    """Biases that outweigh all that a unit is told by its inputs."""
    hidden = {layer.name for layer in case.hidden}
    # A signal of deviation 1 is above −3 all but never; log odds of a rare class reach 5.
    found = [
        one
        for one in case.layers
        if one.learns and _bias(one) >= (_BIASED if one.name in hidden else 2 * _BIASED)
    ]
    if not found:
        return
    first = found[0]
    known = [one.mean or 0.0 for one in first.weights if one.name.endswith("bias")]
    mean = known[0] if known else _constant(first, "bias_initializer")
    dead = mean < 0 and case.activated(first) in ("relu", "relu6")
    yield Finding(
        cause=f"the biases of {_names(found)} begin at {mean:.3g}, far from 0",
        symptom="units are dead from the start"
        if dead
        else f"inputs hardly matter beside them; {case.symptom}",
        remedy="begin at 0, as is the default",
        confidence=case.sure(0.9, 0.8, 0.4) if dead else case.sure(0.8, 0.55, 0.25),
        changes=_reset(found, "bias_initializer", "zeros"),
        layer=first.name,
        step=0,
    )


def _bias(layer: Layer) -> float:
    """The largest first bias; 0 of recurrent layers, whose forget gates begin at 1."""
    if layer.kind in RECURRENT:
        return 0.0
    if not layer.weights:
        return abs(_constant(layer, "bias_initializer"))
    sizes = [one.size for one in layer.weights if one.name.endswith("bias") and one.trainable]
    return max((one or 0.0 for one in sizes), default=0.0)


def _constant(layer: Layer, setting: str) -> float:
    """What an initializer of one value puts there, of a layer that was not built yet."""
    told = layer.config.get(setting)
    settings = told.get("config", {}) if isinstance(told, Mapping) else {}
    value = settings.get("value", 0.0) if told and told.get("class_name") == "Constant" else 0.0
    return float(value)
