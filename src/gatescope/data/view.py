"""The findings of a check as rows of text, for printing."""

from __future__ import annotations

from collections.abc import Sequence

from gatescope.data.check import CaptionCheck

_SHOWN = 3


def check_rows(check: CaptionCheck) -> list[tuple[str, str]]:
    """Turns a check into rows of a label and a value.

    Args:
        check: The check.

    Returns:
        The rows: what is there first, then what is wrong, then the unknown words. Long lists
        show their first entries and say how many more there are.

    Example:
        >>> check_rows(check)[1]
        ('format', 'Flickr token file')
    """
    return [*_content_rows(check), *_problem_rows(check), *_word_rows(check)]


def _content_rows(check: CaptionCheck) -> list[tuple[str, str]]:
    least, middle, most = check.captions_per_photo
    sizes = [
        (f"{split} photos", f"{count:,} with {check.captions[split]:,} captions")
        for split, count in check.photos.items()
    ]
    return [
        ("folder", str(check.root)),
        ("format", check.format),
        ("splits", check.split_source),
        *sizes,
        ("captions a photo", f"{least} to {most}, median {middle:g}"),
    ]


def _problem_rows(check: CaptionCheck) -> list[tuple[str, str]]:
    duplicates = [
        " = ".join(f"{name} ({split})" for name, split in group) for group in check.duplicates
    ]
    unreadable = [f"{photo.name}: {photo.reason}" for photo in check.unreadable]
    return [
        ("unreadable photos", _counted(unreadable)),
        ("missing photos", _counted(check.missing)),
        ("photos without captions", _counted(check.without_captions)),
        ("photos in no split list", _counted(check.unlisted)),
        ("photos in several splits", _counted(duplicates)),
        ("empty captions", f"{check.empty_captions:,}"),
        ("garbled captions", _counted(check.garbled)),
    ]


def _word_rows(check: CaptionCheck) -> list[tuple[str, str]]:
    return [
        (
            f"words seen {words.threshold}+ times",
            f"{words.vocabulary:,}; {words.rate:.2%} of the dev captions' words are unknown",
        )
        for words in check.unknown_words
    ]


def _counted(entries: Sequence[str]) -> str:
    if not entries:
        return "0"
    more = f"; and {len(entries) - _SHOWN:,} more" if len(entries) > _SHOWN else ""
    shown = "; ".join(entries[:_SHOWN])
    # Names and captions come from other people's files: no escape sequence may reach a terminal.
    printable = "".join(char if char.isprintable() else "?" for char in shown)
    return f"{len(entries):,}: {printable}{more}"
