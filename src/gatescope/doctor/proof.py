"""Proves remedies: copies are trained beside the original, under the same seeds, in a child."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from gatescope.doctor.changes import Specimen, is_applicable
from gatescope.doctor.finding import Change, Finding, Proof, Series, Verdict
from gatescope.doctor.outcome import Outcome
from gatescope.report.cells import without_colours
from gatescope.scope.words import plural

STEPS = 300
"""Steps that a copy is trained, if the training had as many."""
_MOST_STEPS = 3_000  # where they take no time
_QUICK = 1.0  # seconds, in which copies go on beyond `STEPS`
SEEDS = 3
_SECONDS = 8.0  # the most that one copy may take
_WORTH = 0.03  # of the way from guessing to perfect: a smaller gain is none that one would notice
_WORTH_FINE = 0.1  # where the network does well anyway
_LOWER = 0.7  # of the original's loss, where the skill is the same
_MOST_TRIED = 8
_MOST_TOGETHER = 4
_FOR_MORE = 0.4  # of the time: for remedies that only help together
_ENOUGH = 0.7  # of the way: with a remedy that comes so far, no others are tried together
_LEAST_LEFT = 2.0  # seconds
_NO_TIME = "the time for proofs was over"
_BETTER: Verdict = "improved"
_FAILED: tuple[Verdict, ...] = ("not improved", "unclear")
_LONG_LINE = 200
_OF_OWN = ("Could not interpret", "Could not locate", "Could not deserialize", "Unknown")
_WORTH_TRYING = 0.25


@dataclass(frozen=True)
class Result:
    """What copies under several seeds came to.

    Args:
        skills: On held-out data.
        losses: There; empty where the loss is not one function.
        steps: How many the longest training took.
        curve: Steps and losses of the first training.
    """

    skills: tuple[float, ...]
    losses: tuple[float, ...]
    steps: int
    curve: tuple[tuple[int, float], ...] = ()

    @property
    def skill(self) -> float:
        """The mean skill."""
        return float(np.mean(self.skills))


@final
class Bench:
    """The child process; best used in a `with` block, which ends it.

    Args:
        specimen: What to copy.
        seconds: After which it is ended, whatever it does.
    """

    def __init__(self, specimen: Specimen, seconds: float) -> None:
        self.specimen, self.seconds = specimen, seconds
        self._until = time.monotonic() + seconds
        self.steps, self._seconds, self._quick = _MOST_STEPS, _SECONDS, _QUICK
        self._folder = tempfile.TemporaryDirectory(prefix="gatescope-bench-")
        self.folder = Path(self._folder.name)
        _write(specimen, self.folder)
        package = str(Path(__file__).parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join(paths), "KERAS_BACKEND": "tensorflow",
        }  # fmt: skip
        self._child = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, "-m", "gatescope.doctor.bench", str(self.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=environment, cwd=self.folder,
        )  # fmt: skip
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                pipe.close()
        self._folder.cleanup()

    def even(self, steps: int, seconds: float) -> None:
        """Lets all copies train so many steps, such as the first came to in its time."""
        self.steps, self._seconds, self._quick = steps, seconds, seconds

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._until - time.monotonic()

    def trial(self, changes: Sequence[Change], seed: int, **more: Any) -> dict[str, Any]:
        """Trains a copy; what came of it, or `error`, why nothing did.

        Args:
            changes: What to change before.
            seed: Of all that is drawn.
            **more: `watch`, a folder for the record of a run.
        """
        asked = {
            "changes": [(one.action, one.target, one.value, one.part) for one in changes],
            "seed": seed,
            "steps": self.steps,
            "seconds": self._seconds,
            "enough": STEPS,
            "quick": self._quick,
            **more,
        }
        try:
            if self._child.stdin:
                self._child.stdin.write(json.dumps(asked) + "\n")
                self._child.stdin.flush()
            return dict(json.loads(self._answers.get(timeout=max(0.1, self.left))))
        except queue.Empty:
            return {"error": "the time is over"}
        except (OSError, ValueError):
            return {"error": "the child process ended"}

    def _read(self) -> None:
        try:
            for line in self._child.stdout or ():
                self._answers.put(line)
        except ValueError:
            return  # closed meanwhile
        self._answers.put("")


def _write(specimen: Specimen, folder: Path) -> None:
    told = {
        "model": specimen.model, "compile": specimen.compile, "fit": specimen.fit,
        "inputs": specimen.sample.inputs, "targets": specimen.sample.targets,
    }  # fmt: skip
    (folder / "specimen.json").write_text(json.dumps(told, default=_plain))
    arrays = {
        f"{part}/{place}": one
        for part in ("x", "y", "x_val", "y_val")
        for place, one in enumerate(getattr(specimen.sample, part))
    }
    np.savez(folder / "sample.npz", **arrays)
    np.savez(folder / "weights.npz", **dict(specimen.weights))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)


def is_worth_trying(finding: Finding) -> bool:
    """Whether a proof could tell anything of a finding."""
    sure = finding.confidence >= _WORTH_TRYING
    possible = bool(finding.changes) and all(map(is_applicable, finding.changes))
    return possible and sure and finding.kind == "training"


def prove(
    bench: Bench, findings: Sequence[Finding], *, fine: bool, outcome: Outcome | None = None
) -> list[Finding]:
    """Tries the remedies of findings, the surest first, as long as there is time.

    Args:
        bench: The child process.
        findings: What rules found, the surest first.
        fine: Whether the network does well already.
        outcome: How well simple models do, where it is not known how well the network does: then
            copies of the original tell.

    Returns:
        The findings in the same order, those that were tried with their proofs.
    """
    tried = [one for one in findings if is_worth_trying(one)][:_MOST_TRIED]
    if not tried:
        return list(findings)
    base, seeds = _originals(bench, len(tried))
    if isinstance(base, str):
        own = any(word in base for word in _OF_OWN)
        why = "it needs a function or class of your own, and no code of yours runs in copies"
        reason = Proof("not tried", f"no copy could be trained: {why if own else _brief(base)}")
        return [replace(one, proof=reason) if one in tried else one for one in findings]
    if outcome is not None and outcome.known is None:
        fine = fine or replace(outcome, skill=base.skill).fine
    trials = _Trials(bench, base, seeds, fine)
    proofs: dict[int, Proof] = {}
    for finding in tried:
        proofs[id(finding)] = trials.proof(finding.changes)
        if bench.left < _FOR_MORE * bench.seconds and not trials.mended:
            break  # several faults at once need the rest of the time
    if not fine:
        tried = [one for one in tried if id(one) in proofs]
        trials.together(tried, proofs)
        trials.longer(tried, proofs)
    return [replace(one, proof=proofs.get(id(one))) for one in findings]


def _originals(bench: Bench, remedies: int) -> tuple[Result | str, int]:
    """The original under several seeds; fewer where there is no time for so many remedies."""
    first = bench.trial((), 0)
    if "error" in first:
        return str(first["error"]), 0
    if first["cut"]:
        bench.even(max(1, int(first["steps"])), 3 * _SECONDS)
    else:
        bench.even(_MOST_STEPS, _SECONDS)
    seeds = SEEDS if first["seconds"] * SEEDS * (remedies + 3) < bench.left else 2
    rest = [bench.trial((), seed) for seed in range(1, seeds)]
    return _result([first, *rest]), seeds


def _result(answers: Sequence[dict[str, Any]]) -> Result | str:
    wrong = [str(one["error"]) for one in answers if "error" in one]
    if wrong:
        return wrong[0]
    losses = tuple(float(one["loss"]) for one in answers if "loss" in one)
    skills, steps = (tuple(one[name] for one in answers) for name in ("skill", "steps"))
    return Result(skills, losses, max(steps), tuple(map(tuple, answers[0]["curve"])))


def _brief(error: str) -> str:
    """The first line of an error, without what a terminal takes for colours."""
    line = next(iter(without_colours(error).strip().splitlines()), "")
    return line if len(line) <= _LONG_LINE else f"{line[:_LONG_LINE]}…"


class _Trials:
    """Copies with remedies beside the originals."""

    def __init__(self, bench: Bench, base: Result, seeds: int, fine: bool) -> None:
        self._bench, self._base, self._seeds, self._fine = bench, base, seeds, fine
        self._best = base

    @property
    def mended(self) -> bool:
        """Whether a remedy helped."""
        return self._best is not self._base

    def _train(self, changes: Sequence[Change], **more: Any) -> Result | str:
        if self._bench.left < _LEAST_LEFT:
            return _NO_TIME
        return _result([self._bench.trial(changes, seed, **more) for seed in range(self._seeds)])

    def proof(self, changes: Sequence[Change]) -> Proof:
        """What a remedy comes to by itself."""
        longer = all(one.target == "fit.epochs" for one in changes)
        if longer and self._base.steps >= self._bench.steps:
            told = f"copies train {self._base.steps} steps, and the training had as many"
            return Proof("not tried", told)
        result = self._train(changes)
        if isinstance(result, str):
            return Proof("not tried", result if result == _NO_TIME else (
                f"the remedy could not be tried: {_brief(result)}"))  # fmt: skip
        found = compared(changes, self._base, result, self._fine)
        if found.verdict == "improved" and result.skill > self._best.skill:
            self._best = result
        return found

    def together(self, tried: Sequence[Finding], proofs: dict[int, Proof]) -> None:
        """Where no remedy alone is enough, all that did not help at once, and each left out."""
        parts = [one for one in tried if proofs[id(one)].verdict in _FAILED][:_MOST_TOGETHER]
        if len(parts) < 2 or self._best.skill >= _ENOUGH:
            return
        every = _joined(parts)
        whole = self._train(every)
        if isinstance(whole, str) or compared(every, self._best, whole, False).verdict != _BETTER:
            return
        told = compared(every, self._base, whole, self._fine)
        for part in parts:
            without = self._train(_joined([one for one in parts if one is not part]))
            # Where there is no time to leave it out, that all of them help is what is known.
            if (
                isinstance(without, str)
                or compared(part.changes, without, whole, self._fine).verdict == _BETTER
            ):
                proofs[id(part)] = replace(
                    told, verdict=_BETTER, sentence=f"together: {told.sentence}"
                )

    def longer(self, tried: Sequence[Finding], proofs: dict[int, Proof]) -> None:
        """Where the training was short, remedies that may need more steps have them."""
        parts = [one for one in tried if proofs[id(one)].verdict in _FAILED]
        if not parts or self._base.steps >= STEPS // 2 or self.mended:
            return
        self._bench.even(STEPS, _SECONDS)
        base = self._train((), longer=True)
        for part in parts:
            result = self._train(part.changes, longer=True)
            if isinstance(base, str) or isinstance(result, str):
                return
            found = compared(part.changes, base, result, self._fine)
            if found.verdict != "not improved":
                proofs[id(part)] = found


def compared(changes: Sequence[Change], base: Result, result: Result, fine: bool) -> Proof:
    """What it means that copies with a remedy came to this, and the originals to that.

    Args:
        changes: The remedy.
        base: The originals.
        result: Those with the remedy.
        fine: Whether the network does well already.
    """
    same_loss = not any(one.target.startswith(("loss", "data.y")) for one in changes)
    numbers = {
        "before": {"skill": base.skills, "loss": base.losses, "steps": base.steps},
        "after": {"skill": result.skills, "loss": result.losses, "steps": result.steps},
        "gain": result.skill - base.skill,
        "noise": _noise(base.skills, result.skills),
    }
    told = _sentence(changes, base, result, same_loss and bool(base.losses and result.losses))
    series = _curves(base, result) if same_loss else ()
    lower = same_loss and not fine and _is_lower(base, result)
    if lower or _is_more_skilled(base, result, fine):
        return Proof(_BETTER, told, numbers, series)
    verdict: Verdict = "unclear" if _became_finite(base, result) else "not improved"
    return Proof(verdict, told, numbers, series)


def _curves(base: Result, result: Result) -> tuple[Series, ...]:
    return tuple(
        Series(label, *zip(*one.curve, strict=True))
        for label, one in (("as it was", base), ("with the remedy", result))
        if one.curve
    )


def _is_more_skilled(base: Result, result: Result, fine: bool) -> bool:
    gain, worth = result.skill - base.skill, _WORTH_FINE if fine else _WORTH
    # Three of three seeds above three are as sure as a gain of twice its standard error.
    apart = min(len(base.skills), len(result.skills)) >= SEEDS
    apart = apart and min(result.skills) - max(base.skills) > worth
    sure = apart or gain > max(_noise(base.skills, result.skills), worth)
    # Out of NaN anything is a gain; what mends a network does better than guessing.
    return sure and result.skill > _WORTH


def _is_lower(base: Result, result: Result) -> bool:
    """Whether the loss fell clearly while the skill stayed."""
    if not base.losses or not result.losses:
        return False
    before, after = np.mean(base.losses), np.mean(result.losses)
    clearly = after < _LOWER * before and before - after > _noise(base.losses, result.losses)
    return bool(clearly and result.skill - base.skill > -_WORTH)


def _became_finite(base: Result, result: Result) -> bool:
    known = bool(base.losses and result.losses)
    return known and not np.isfinite(base.losses).all() and bool(np.isfinite(result.losses).all())


def _noise(before: Sequence[float], after: Sequence[float]) -> float:
    """Twice the standard error of the difference of two means over seeds."""
    spread = [np.var(one, ddof=1) / len(one) for one in (before, after) if len(one) > 1]
    return float(2 * np.sqrt(sum(spread)))


def _sentence(changes: Sequence[Change], base: Result, result: Result, with_loss: bool) -> str:
    what = ", ".join(map(in_words, changes))
    told = [f"the skill on held-out data is {_mean(result.skills)} instead of {_mean(base.skills)}"]
    if with_loss:
        told.insert(0, f"the loss is {_mean(result.losses)} instead of {_mean(base.losses)}")
    return f"with {what}, after {plural(result.steps, 'step')} {' and '.join(told)}"


def in_words(change: Change) -> str:
    """A change as one would say it.

    Example:
        >>> in_words(Change("set", "optimizer.learning_rate", 0.001))
        'learning_rate=0.001'
    """
    name = change.layer
    if change.action == "remove":
        return f"no {name or change.target}"
    if change.action == "insert":
        return f"{change.value.get('call', change.value)} after {name}"
    if change.target.startswith("data."):
        told = _DATA_IN_WORDS.get(change.value, str(change.value))
        return f"{told} of {change.part}" if change.part else told
    setting, value = change.setting or change.target, change.value
    setting += f" of {change.part}" if change.part else ""
    if isinstance(value, dict):
        settings = {key: one for key, one in value.items() if key != "name"}
        value = f"{value['name']}({', '.join(f'{key}={one:g}' for key, one in settings.items())})"
    told = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{name}.{setting}={told}" if name else f"{setting}={told}"


_DATA_IN_WORDS = {
    "standardize": "standardized inputs",
    "scale": "inputs divided by 255",
    "drop_nan": "samples that hold NaN left out",
    "shuffle": "samples shuffled before they are split",
    "one_hot": "one-hot labels",
    "integer": "labels as whole numbers",
    "standardize_y": "standardized targets",
    "column": "targets as a column",
    "from_zero": "labels from 0 on",
    "yes_no": "labels 0 and 1",
}


def _mean(values: Sequence[float]) -> str:
    if not np.isfinite(values).all():
        return "not finite"
    spread = np.std(values, ddof=1) if len(values) > 1 else 0.0
    return f"{np.mean(values):.3g} ± {spread:.2g}"


def _joined(findings: Sequence[Finding]) -> list[Change]:
    """The changes of several findings; of those about one thing the first."""
    found: dict[tuple[str, str], Change] = {}
    for finding in findings:
        for change in finding.changes:
            found.setdefault((change.target, change.part), change)
    return list(found.values())
