"""The data itself: scale, columns, labels, splits."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from gatescope.doctor.edits import scaling
from gatescope.doctor.evidence import DROPOUTS, NORMALIZATIONS, Evidence, Sample
from gatescope.doctor.finding import Change, Finding
from gatescope.doctor.origins import Side, last_change
from gatescope.doctor.outcome import ACCURACIES
from gatescope.doctor.rules.outputs import asked
from gatescope.doctor.rules.table import rule
from gatescope.doctor.script import argument, called

_SCALE = "LeCun et al. 1998, Efficient BackProp, section 4.3: inputs around 0 with deviation 1"
_LARGE, _HUGE = (
    10.0,
    50.0,
)  # deviations: a first layer made for 1 gets a signal as many times too large
_SMALL = 0.02
_PIXEL = 255
_LEAKED = 0.2
UNBALANCED = 0.8  # the share of the commonest class, from which on rare ones are lost
_MOVED, _WIDER = 2, 3  # deviations, and times as wide: draws of the same data stay far below
_SAME_MEAN, _NARROWER = 0.3, 0.6
_GAP, _GAP_OF_DROPOUT = 0.2, 0.4  # by which chance lets held-out data seldom be better
_WIDE_TABLE = 40  # columns
_EXACTLY = 1e-3  # as far as float32 and an epsilon leave it
_FEW = 20  # samples, whose mean and deviation say little


def _scales(case: Evidence) -> tuple[float, float, float] | None:
    """Mean, deviation and largest size of the inputs, from the sample or from probed batches."""
    x = case.sample.one_x if case.sample else None
    if x is not None and x.size:
        known = np.asarray(x, np.float64)[np.isfinite(np.asarray(x, np.float64))]
        return (float(known.mean()), float(known.std()), float(np.abs(known).max()))
    needed = ("input_mean", "input_deviation", "input_minimum", "input_maximum")
    curves = [case.batches.get(name) for name in needed]
    if any(one is None or not len(one.y) for one in curves):
        return None
    mean, deviation, low, high = (float(np.nanmedian(one.y)) for one in curves if one)
    return mean, deviation, max(abs(low), abs(high))


def _takes_any_scale(case: Evidence) -> bool:
    """Whether the first layers bring inputs to a scale of their own."""
    first = [one for one in case.layers if one.kind not in ("InputLayer", "Flatten", "Reshape")]
    known = ("Rescaling", "Normalization", "Embedding", "Lambda", "TextVectorization", "Hashing",
             "StringLookup", "IntegerLookup", "CategoryEncoding", *NORMALIZATIONS)  # fmt: skip
    return any(one.kind in known for one in first[:2]) or any(
        one.kind in ("Rescaling", "Normalization", "Embedding") for one in first
    )


def _is_pixels(x: Any) -> bool:
    whole = bool((x == np.round(x)).all())
    return whole and x.min() >= 0 and 30 < x.max() <= _PIXEL and x.size / len(x) >= 16


@rule(_SCALE)
def inputs_not_scaled(case: Evidence) -> Iterator[Finding]:
    """Inputs far larger than first weights are made for."""
    told = _scales(case)
    if told is None or _takes_any_scale(case):
        return
    mean, deviation, largest = told
    size = float(np.hypot(mean, deviation))
    x = case.sample.one_x if case.sample else None
    spread = _spread(x)
    if size < _LARGE and spread < 100:
        yield from _columns_apart(case, x)
        return
    pixels = x is not None and _is_pixels(x)
    huge = size >= _HUGE
    unlike = spread >= 100 and not pixels
    evidence = [f"inputs reach {largest:.4g}, mean {mean:.3g}, deviation {deviation:.3g}"]
    if unlike:
        evidence.append(f"the widest column is {spread:.3g} times as wide as a usual one")
    yield Finding(
        cause="the inputs are not scaled" + (": pixels from 0 to 255" if pixels else ""),
        symptom=f"first layers saturate or leap, and one rate cannot suit all; {case.symptom}",
        remedy="divide by 255"
        if pixels
        else "subtract the mean and divide by the deviation, both of the training data",
        confidence=case.sure(0.88, 0.7, 0.3) if huge or unlike else case.sure(0.75, 0.5, 0.2),
        evidence=tuple(evidence),
        changes=(Change("set", "data.x", "scale" if pixels else "standardize"),),
        focus=_scaled_as_a_whole(case) if unlike else None,
    )


def _scaled_as_a_whole(case: Evidence) -> str | None:
    """The line that takes one mean over all columns of a table, where it should take one each."""
    for call in case.script.calls("mean") if case.script else ():
        given = [*call.args, *(one for one in call.keywords if one.arg == "axis")]
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        named = ast.unparse(owner).casefold() if owner is not None else ""
        if not given and named.startswith("x"):
            return f"line:{call.lineno}"
    return None


def _columns_apart(case: Evidence, x: Any) -> Iterator[Finding]:
    """Columns of scales far apart, where a model that scales them does well."""
    outcome = case.outcome
    if x is None or x.ndim != 2 or not case.fails or not outcome or (outcome.simple or 0) < 0.5:
        return
    if x.shape[1] > _WIDE_TABLE:
        return  # pixels in a row, whose borders hardly vary
    wide = np.asarray(x, np.float64).std(0)
    wide = wide[wide > 0]
    ratio = float(wide.max() / wide.min()) if wide.size > 1 else 1.0
    if ratio < 30:
        return
    yield Finding(
        cause=f"the columns of the inputs have scales {ratio:.3g} times apart",
        symptom=f"the narrow ones hardly count; {case.symptom}",
        remedy="subtract the mean and divide by the deviation, both of the training data",
        confidence=0.5,
        evidence=(f"a simple model that scales them first reaches {outcome.simple:.2f}",),
        changes=(Change("set", "data.x", "standardize"),),
    )


def _spread(x: Any) -> float:
    """How many times wider the widest column of a table is than a usual one."""
    if x is None or x.ndim != 2 or not np.isfinite(np.asarray(x, float)).all():
        return 1.0
    wide = np.asarray(x, np.float64).std(0)
    wide = wide[wide > 0]
    return float(wide.max() / np.median(wide)) if wide.size > 1 and wide.max() > 1 else 1.0


@rule(_SCALE + ": each input over the training set")
def scaled_over_wrong_axis(case: Evidence) -> Iterator[Finding]:
    """A table whose rows, not its columns, have mean 0 and deviation 1."""
    x = case.sample.one_x if case.sample else None
    if x is None or x.ndim != 2 or not 2 <= x.shape[1] <= _WIDE_TABLE or len(x) < _FEW:
        return
    rows = np.asarray(x, np.float64)
    if not np.isfinite(rows).all() or np.abs(rows.mean(1)).max() > _EXACTLY:
        return
    if (
        np.abs(rows.std(1) - 1).max() > _EXACTLY
        and np.abs(rows.std(1, ddof=1) - 1).max() > _EXACTLY
    ):
        return
    yield Finding(
        cause="each sample is scaled by its own mean and deviation: axis=1 in place of axis=0",
        symptom=f"how large a sample's numbers are is lost, and columns are mixed; {case.symptom}",
        remedy="subtract the mean of each column and divide by its deviation: axis=0",
        confidence=case.sure(0.9, 0.82, 0.5),
        evidence=(f"rows of {x.shape[1]} columns have mean 0 and deviation 1, each by itself",),
        focus=_reduced_along_rows(case) or "data:x",
    )


def _reduced_along_rows(case: Evidence) -> str | None:
    """The line that takes means over the columns of a sample."""
    for call in case.script.calls("mean", "std") if case.script else ():
        if case.script and case.script.constant(argument(call, "axis")) in (1, -1):
            return f"line:{call.lineno}"
    return None


@rule(_SCALE)
def inputs_too_small(case: Evidence) -> Iterator[Finding]:
    """Inputs that are nearly all the same: scaled twice, for one."""
    told = _scales(case)
    if told is None or _takes_any_scale(case):
        return
    mean, deviation, largest = told
    if not 0 < float(np.hypot(mean, deviation)) < _SMALL:
        return
    yield Finding(
        cause=f"the inputs are tiny: at most {largest:.3g} (scaled twice?)",
        symptom=f"the first layer sees next to nothing but its bias; {case.symptom}",
        remedy="scale them to a deviation of 1",
        confidence=case.sure(0.88, 0.75, 0.35),
        focus="made:x",
        evidence=(f"mean {mean:.3g}, deviation {deviation:.3g}",),
        changes=(Change("set", "data.x", "standardize"),),
    )


@rule("LeCun et al. 1998, section 4.4: targets within the range that the output learns easily")
def targets_not_scaled(case: Evidence) -> Iterator[Finding]:
    """Amounts far larger than a new network puts out."""
    y = case.sample.one_y if case.sample else None
    if y is None or asked(case) != "numbers":
        return
    size = float(np.sqrt(np.mean(np.square(np.asarray(y, np.float64)))))
    if _SMALL < size < _LARGE:
        return
    yield Finding(
        cause=f"the targets are {'large' if size >= _LARGE else 'tiny'}: "
        f"{y.min():.4g} to {y.max():.4g}",
        symptom=f"a squared loss is {size**2:.3g} at the start and so are its gradients; "
        f"{case.symptom}",
        remedy="scale them by mean and deviation, and turn predictions back",
        confidence=case.sure(0.75, 0.4, 0.15),
        evidence=(f"root mean square {size:.4g}",),
        changes=(Change("set", "data.y", "standardize_y"),),
    )


@rule("NaN in, NaN out: IEEE 754")
def not_finite_in_data(case: Evidence) -> Iterator[Finding]:
    """NaN or infinity among inputs or targets."""
    lost, sample = {}, case.sample
    parts = (("x", (*sample.x, *sample.x_val)), ("y", (*sample.y, *sample.y_val))) if sample else ()
    for name, arrays in parts:
        shares = [float((~np.isfinite(one)).mean()) for one in arrays if one.dtype.kind == "f"]
        lost[name] = max(shares, default=0.0)
    for name, part in (("x", "input"), ("y", "target")):
        curve = case.batches.get(f"{part}_not_finite")
        if curve is not None and len(curve.y) and not case.sample:
            lost[name] = float(np.nanmax(curve.y))
    came_in = str((case.bad or {}).get("came_in") or "")
    for name, share in lost.items():
        if share > 0 or came_in.partition("/")[0] == name:
            what = "inputs" if name == "x" else "targets"
            yield Finding(
                cause=f"{share:.2%} of the {what} are NaN or infinite{_all_of_a_column(case, name)}"
                if share > 0
                else f"among the {what} are some that are NaN or infinite",
                symptom=f"every weight that meets one is NaN from then on; {case.symptom}",
                remedy="drop those samples, or fill the gaps with the column's mean",
                confidence=0.97,
                focus=_divided_at(case, name) or f"data:{name}",
                changes=(Change("set", f"data.{name}", "drop_nan"),),
            )


def _divided_at(case: Evidence, side: str) -> str | None:
    """The line that divides by a deviation, where a whole column is NaN."""
    script = case.script
    if script is None or not _all_of_a_column(case, side):
        return None
    for node in ast.walk(script.tree or ast.Module([], [])):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            by = script.resolved(node.right)
            inside = [one for one in ast.walk(by) if isinstance(one, ast.Call)] if by else []
            if any(called(one) in ("std", "ptp", "max") for one in inside):
                return f"line:{node.lineno}"
    return None


def _all_of_a_column(case: Evidence, side: str) -> str:
    """That a whole column is NaN, in words: it never changed, and was divided by that."""
    x = case.sample.one_x if case.sample and side == "x" else None
    if x is None or x.ndim < 2 or not len(x):
        return ""
    whole = np.flatnonzero(~np.isfinite(x.reshape(-1, x.shape[-1])).any(0))
    if not len(whole) or len(whole) == x.shape[-1]:
        return ""
    return f": all of column {int(whole[0])}, divided perhaps by a deviation of 0"


@rule("a column that never changes tells nothing: Guyon & Elisseeff 2003")
def inputs_all_alike(case: Evidence) -> Iterator[Finding]:
    """Samples that are all the same."""
    x = case.sample.one_x if case.sample else None
    if x is None or len(x) < _FEW or not (x == x[:1]).all():
        return
    divided = _divided_as_integers(case)
    yield Finding(
        cause=f"all samples are the same: every input is {x[0].ravel()[0]:g}"
        if (x == x.ravel()[0]).all()
        else "all samples are the same",
        symptom=f"there is nothing to learn from; {case.symptom}",
        remedy="divide by a float: `//` and integers drop what is below 1"
        if divided
        else "look at how they were read and scaled",
        confidence=0.97,
        focus=divided or "data:x",
    )


def _divided_as_integers(case: Evidence) -> str | None:
    """The line of the script that divides without a remainder."""
    tree = case.script.tree if case.script else None
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.FloorDiv):
            return f"line:{node.lineno}"
    return None


@rule("a column that never changes tells nothing: Guyon & Elisseeff 2003")
def columns_without_information(case: Evidence) -> Iterator[Finding]:
    """Columns of a table that are constant, or copies of others."""
    x = case.sample.one_x if case.sample else None
    if x is None or x.ndim != 2 or len(x) < 20 or not 2 <= x.shape[1] <= 500 or case.fine:
        return
    constant = np.flatnonzero((x == x[:1]).all(0))
    _, first = np.unique(np.asarray(x, np.float64), axis=1, return_index=True)
    copies = x.shape[1] - len(first) - max(0, len(constant) - 1)
    share = (len(constant) + copies) / x.shape[1]
    if share < 0.5 or len(constant) == x.shape[1]:
        return
    yield Finding(
        cause=f"{len(constant)} of {x.shape[1]} columns are constant, {max(0, copies)} are copies",
        symptom=case.symptom,
        remedy="look at how the columns were read",
        confidence=case.sure(0.6, 0.4, 0.2),
        focus="data:x",
    )


def passes_in_order(case: Evidence) -> bool:
    """Whether the first batches of data that passes are of one label, and later ones are not."""
    y, fit = case.sample.one_y if case.sample else None, case.training and case.training.fit
    if y is None or not fit or fit.get("samples") is not None or not (y == y[:1]).all():
        return False
    told = case.batches.get("target_mean")
    return told is not None and bool(np.ptp(told.finite.y) > 0) if told and len(told.y) else False


@rule("with one value of the labels there is nothing to tell apart")
def labels_all_alike(case: Evidence) -> Iterator[Finding]:
    """Every sample has the same label."""
    y = case.sample.one_y if case.sample else None
    if y is None or len(y) < 20 or not (y == y[:1]).all() or passes_in_order(case):
        return
    yield Finding(
        cause="all samples have the same label",
        symptom="a constant is learned",
        remedy="look at how labels were read and sorted before the split",
        confidence=0.95,
        focus="data:y",
    )


@rule("Zhang et al. 2017, arXiv:1611.03530: random labels can be learned by heart, not generalized")
def labels_apart_from_inputs(case: Evidence) -> Iterator[Finding]:
    """Labels that nothing in the inputs foretells: shuffled, perhaps, or of other samples."""
    outcome, y = case.outcome, case.sample.one_y if case.sample else None
    if outcome is None or outcome.simple is None or y is None or len(y) < 50:
        return
    known = outcome.known
    if case.bad is not None or outcome.simple > outcome.margin / 2:
        return
    if known is None or known > max(0.1, outcome.margin):
        return
    others = (
        inputs_all_alike, labels_all_alike, splits_scaled_apart, not_finite_in_data,
        training_inputs_scattered,
    )  # fmt: skip
    if any(next(other(case), None) for other in others) or commonest(case.classes(y)) > UNBALANCED:
        return  # then nothing could be foretold
    heart = outcome.train is not None and outcome.train > 0.3
    x = case.sample.one_x if case.sample else None
    # What is in images and sequences such models seldom see.
    hard = not heart and (x is None or x.ndim > 2)
    yield Finding(
        cause="the labels seem not to belong to the inputs: neither a linear model, nor nearest "
        "neighbours, nor this network foretells them",
        symptom="learned by heart, and worth nothing on held-out data" if heart else case.symptom,
        remedy="look whether inputs and labels were shuffled apart or joined wrongly",
        confidence=0.3 if hard else (0.8 if heart else 0.6) if len(y) >= 200 else 0.4,
        focus="data:y" if _changed(case, "y") else "data:x",
        evidence=(f"simple models reach {outcome.simple:.2f}, this network {known:.2f} of 1",),
    )


def _changed(case: Evidence, side: Side) -> bool:
    return case.script is not None and last_change(case.script, side) is not None


def commonest(classes: Any) -> float:
    """The share of the commonest class."""
    counts = np.unique(classes, return_counts=True)[1]
    return float(counts.max() / counts.sum())


@rule("Northcutt, Athalye & Mueller 2021, arXiv:2103.14749")
def labels_worse_in_training(case: Evidence) -> Iterator[Finding]:
    """Held-out labels that are foretold far better than those of training."""
    outcome, y = case.outcome, case.sample.one_y if case.sample else None
    if outcome is None or outcome.skill is None or outcome.train is None or y is None:
        return
    # What training is measured with, and an epoch's mean while it still learns.
    noisy = any(one.kind in DROPOUTS for one in case.layers)
    varied = any(one.kind.startswith(("Random", "Gaussian")) for one in case.layers)
    curves = [case.history[name].y for name in ACCURACIES if name in case.history]
    settled = bool(curves) and len(curves[0]) >= 5 and abs(curves[0][-1] - curves[0][-3]) < 0.05
    if varied or not settled:
        return
    gap = outcome.skill - outcome.train
    if gap < (_GAP_OF_DROPOUT if noisy else _GAP) or asked(case) not in ("classes", "binary"):
        return
    yield Finding(
        cause="many labels of the training data are wrong: held-out ones are foretold far better",
        symptom=f"skill {outcome.skill:.2f} on held-out data, {outcome.train:.2f} in training",
        remedy="look at how the training labels were read, joined or changed",
        confidence=0.8 if gap > 2 * _GAP else 0.6,
        focus="data:y",
    )


@rule("Bishop 1995, Training with noise is equivalent to Tikhonov regularization")
def training_inputs_scattered(case: Evidence) -> Iterator[Finding]:
    """Training inputs with the means of held-out ones, but far wider: noise, perhaps."""
    for what, here, there in _beside_training(case):
        moved = _moved(here, there)
        if moved is None or np.median(moved[0]) > _SAME_MEAN or np.median(moved[1]) > _NARROWER:
            continue
        yield Finding(
            cause=f"the training inputs scatter {1 / np.median(moved[1]):.2g} times as widely as "
            f"{what} ones, around the same means: noise, or augmentation, was added to them",
            symptom=case.symptom,
            remedy="add less noise, or none, and look at what is added twice",
            confidence=case.sure(0.8, 0.6, 0.3),
            focus="data:x",
        )
        return


@rule("Northcutt, Athalye & Mueller 2021, arXiv:2103.14749")
def labels_contradict(case: Evidence) -> Iterator[Finding]:
    """Equal inputs with different labels."""
    x, y = (case.sample.one_x, case.sample.one_y) if case.sample else (None, None)
    if x is None or y is None or asked(case) not in ("classes", "binary") or len(x) < 50:
        return
    rows, told = np.ascontiguousarray(x.reshape(len(x), -1)), y.reshape(len(y), -1)
    _, group, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    twice = counts[group] > 1
    if twice.mean() < 0.05:
        return
    first = np.full((len(counts), told.shape[1]), np.nan)
    first[group[::-1]] = told[::-1]
    against = float((first[group] != told).any(1)[twice].mean())
    if against < 0.2:
        return
    yield Finding(
        cause=f"{against:.0%} of inputs that occur more than once have another label elsewhere",
        symptom=case.symptom,
        remedy="look at how labels were joined to inputs",
        confidence=case.sure(0.6, 0.4, 0.2),
        focus="data:y",
    )


def held_out(case: Evidence) -> Iterator[tuple[str, Sample]]:
    """Data that was not trained on, and whose: that of validation, and what came later."""
    sample = case.sample
    if sample is not None and sample.x_val:
        yield "held-out", Sample(sample.x_val, sample.y_val)
    for name, later in case.asked.items():
        yield f"{name}'s", later


@rule("Kaufman et al. 2012, Leakage in data mining")
def split_leaks(case: Evidence) -> Iterator[Finding]:
    """Held-out samples that were trained on."""
    sample = case.sample
    if sample is None or len(sample.x) != 1 or sample.one_x is None:
        return
    trained = _rows(sample.x[0])
    if len(set(trained)) < 0.95 * len(trained):
        return  # rows of few values repeat by themselves
    for what, held in held_out(case):
        rows = _rows(held.x[0]) if held.x and held.x[0].dtype == sample.x[0].dtype else []
        share = _share(rows, set(trained))
        # What holds all that was trained on is all of the data, asked about on purpose.
        whole = what != "held-out" and _share(trained, set(rows)) > 0.9
        if share < _LEAKED or whole or what == "predict's":
            continue
        yield Finding(
            cause=f"{share:.0%} of {what} samples are in the training data, too",
            symptom="the score on held-out data says how well samples are remembered",
            remedy="split before any copying or augmentation, and hold out what was not trained on",
            confidence=0.85,
        )
        return


def _rows(x: Any) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(x.reshape(len(x), -1))]


def _share(rows: list[bytes], known: set[bytes]) -> float:
    return float(np.mean([row in known for row in rows])) if rows else 0.0


@rule("Kaufman et al. 2012, Leakage in data mining")
def label_among_inputs(case: Evidence) -> Iterator[Finding]:
    """A column that is the label."""
    x, y = (case.sample.one_x, case.sample.one_y) if case.sample else (None, None)
    if x is None or y is None or x.ndim != 2 or y.size != len(y) or len(x) < 30 or x.shape[1] < 2:
        return
    spread = np.asarray(x, np.float64).std(0)
    target = np.asarray(y, np.float64).ravel()
    if target.std() == 0 or not np.isfinite(spread).all():
        return
    centred = np.asarray(x, np.float64) - x.mean(0)
    slopes = centred.T @ (target - target.mean()) / len(target)
    related = np.abs(slopes) / (np.where(spread > 0, spread, np.inf) * target.std())
    if related.max() < 0.9999:
        return
    yield Finding(
        cause=f"column {int(related.argmax())} of the inputs is the label, or a multiple of it",
        symptom="the score is too good, and of no use where the label is not known",
        remedy="take that column out",
        confidence=0.85,
        focus="data:x",
    )


@rule(_SCALE + "; held-out data is scaled as training data is")
def splits_scaled_apart(case: Evidence) -> Iterator[Finding]:
    """Held-out inputs on another scale than those of training."""
    for what, here, there in _beside_training(case):
        told = _apart(here, there)
        if not told:
            continue
        yield Finding(
            cause=f"{what} inputs have another scale than those of training",
            symptom=f"the network sees what it never saw in training; {case.symptom}",
            remedy="scale both with the mean and deviation of the training data",
            confidence=0.88,
            evidence=(told,),
            changes=(Change("set", "data.x_val", "as_training"),),
            focus=_scaled_at(case),
        )
        return


def _beside_training(case: Evidence) -> Iterator[tuple[str, Any, Any]]:
    """Held-out inputs: whose they are, those of training and they themselves, if like in shape."""
    trained = case.sample.one_x if case.sample else None
    if trained is None or passes_in_order(case):
        return
    here = np.asarray(trained, np.float64)
    for what, held in held_out(case):
        x = held.one_x
        if x is not None and len(x) >= _FEW and x.shape[1:] == here.shape[1:]:
            yield what, here, np.asarray(x, np.float64)


def _moved(here: Any, there: Any) -> tuple[Any, Any] | None:
    """How far means moved, in deviations, and how many times as wide held-out inputs are."""
    if not (np.isfinite(here).all() and np.isfinite(there).all()):
        return None
    axes = 0 if here.ndim == 2 else None  # columns of a table have scales of their own
    spread = np.atleast_1d(here.std(axes))
    varies = spread > 0
    if not varies.any():
        return None
    apart = np.atleast_1d(np.abs(there.mean(axes) - here.mean(axes)))[varies] / spread[varies]
    return apart, np.atleast_1d(there.std(axes))[varies] / spread[varies]


def _apart(here: Any, there: Any) -> str:
    """How far held-out inputs are from those of training, in words; nothing where they are near."""
    moved = _moved(here, there)
    if moved is None:
        return ""
    apart, factor = moved
    if np.mean((apart > _MOVED) | (factor < 1 / _WIDER) | (factor > _WIDER)) < 0.5:
        return ""
    if np.median(apart) < _SAME_MEAN and np.median(factor) < 1:
        return ""  # noise, not a scale
    return (
        f"deviation {there.std():.3g} against {here.std():.3g}, "
        f"mean {there.mean():.3g} against {here.mean():.3g}"
    )


def _scaled_at(case: Evidence) -> str | None:
    """The line that scales the inputs of training alone."""
    call = case.script.fitting() if case.script else None
    x = argument(call, "x") if call else None
    how = scaling(case.script, x.id) if case.script and isinstance(x, ast.Name) else None
    return f"line:{how[0]}" if how else None
