"""The room where a network is built, steered and watched while it learns."""

from gatescope.studio.rooms.playground.page import register

__all__ = ["register"]
