"""The room of captions: regions, words, and why each was said."""

from gatescope.studio.rooms.captions.page import register

__all__ = ["register"]
