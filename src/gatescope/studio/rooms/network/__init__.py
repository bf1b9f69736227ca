"""The room of one network: its layers, what they make of a sample, and any number as a circuit."""

from gatescope.studio.rooms.network.page import register

__all__ = ["register"]
