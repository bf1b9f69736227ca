"""What a step prints while its second kind is traced is not printed again."""

from __future__ import annotations

import sys
import threading

import pytest
import tensorflow as tf

from gatescope.scope.muting import Muting, muted

Captured = pytest.CaptureFixture[str]


def step(muting: Muting, kind: str, data: tf.Tensor) -> None:
    with muting.tracing(kind, data):
        sys.stdout.write("traced\n")


def traces(muting: Muting, kind: str, rows: int) -> None:
    tf.function(lambda data: step(muting, kind, data))(tf.zeros((rows, 2)))


def test_the_second_kind_is_silent_for_shapes_that_the_first_has_seen(capsys: Captured) -> None:
    muting = Muting()
    for kind, rows in (("plain", 4), ("looking", 4), ("looking", 3), ("plain", 3)):
        traces(muting, kind, rows)
    assert capsys.readouterr().out == "traced\n" * 2


def test_a_kind_that_is_traced_again_prints_again(capsys: Captured) -> None:
    muting = Muting()
    for kind in ("plain", "plain", "looking", "looking", "looking"):
        traces(muting, kind, 4)
    assert capsys.readouterr().out == "traced\n" * 3


def test_eager_steps_print_each_time(capsys: Captured) -> None:
    muting = Muting()
    for kind in ("plain", "looking"):
        step(muting, kind, tf.zeros((4, 2)))
    assert capsys.readouterr().out == "traced\n" * 2


def test_other_threads_print_on(capsys: Captured) -> None:
    with muted():
        sys.stdout.write("mine\n")
        other = threading.Thread(target=print, args=("theirs",))
        other.start()
        other.join()
    sys.stdout.write("mine again\n")
    assert capsys.readouterr().out == "theirs\nmine again\n"
