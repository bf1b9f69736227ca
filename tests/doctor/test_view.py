"""How a diagnosis is shown."""

from __future__ import annotations

import re
from dataclasses import replace

from gatescope.doctor.diagnosis import Diagnosis
from gatescope.doctor.finding import Finding, Place, Proof, Series
from gatescope.doctor.view import html, text

CODE = 'layers.Dense(10, activation="softmax"),'
FAULT = Finding(
    cause="the learning rate is too high",
    symptom="the loss rises",
    remedy="set it to 0.001",
    confidence=0.9,
    rule="learning_rate_too_high",
    evidence=("the loss rose from 1 to 9",),
    layer="dense_2",
    where=Place("train.py", 8, CODE),
    diff="--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-\tx = 1\n+\tx = 2\n",
    series=(Series("loss", (0.0, 1.0), (1.0, 9.0)), Series("rate", (0.0,), (0.1,))),
)
PROVED = replace(FAULT, cause="it is not shuffled", proof=Proof("improved", "the loss is 0.1"))


def diagnosed(*findings: Finding) -> Diagnosis:
    return Diagnosis("digits", findings, None)


def test_a_line_of_source_ends_without_its_comma() -> None:
    line = next(line for line in text(diagnosed(FAULT)).splitlines() if " at: " in line)
    assert line.endswith('train.py:8: layers.Dense(10, activation="softmax"), layer dense_2')


def test_a_script_of_one_line_is_cut() -> None:
    long = replace(FAULT, where=Place("train.py", 1, "x = 1; " * 500))
    shown = text(diagnosed(long))
    assert max(map(len, shown.splitlines())) < 130
    assert "x = 1; …, layer dense_2" in " ".join(shown.split()) or "…, layer" in shown


def test_evidence_is_marked_unlike_the_lines_of_a_diff() -> None:
    lines = text(diagnosed(FAULT)).splitlines()
    assert "   ·       the loss rose from 1 to 9" in lines
    assert [line for line in lines if line.startswith("   -")] == [
        "   --- a/train.py",
        "   -\tx = 1",
    ]


def test_a_page_says_of_each_fault_whether_it_is_proved() -> None:
    page = html(diagnosed(PROVED, FAULT))
    assert re.findall("<h2>(it|the learning).*? \\[(.*?)\\]</h2>", page) == [
        ("it", "proved"),
        ("the learning", "confidence 90%"),
    ]


def test_a_single_point_is_not_drawn() -> None:
    page = html(diagnosed(FAULT))
    assert page.count("<svg") == html(diagnosed(replace(FAULT, series=FAULT.series[:1]))).count(
        "<svg"
    )
    assert "rate</" not in page
