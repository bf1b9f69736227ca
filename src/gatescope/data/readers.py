"""All kinds of readers as one type, told apart by their `kind` in JSON."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gatescope.data.encoding import TableReader
from gatescope.data.images import ImagesReader
from gatescope.data.reader import ArraysReader, NumbersReader
from gatescope.data.sounds import SoundsReader
from gatescope.data.words import TextsReader

AnyReader = Annotated[
    NumbersReader | TableReader | ImagesReader | SoundsReader | TextsReader | ArraysReader,
    Field(discriminator="kind"),
]
