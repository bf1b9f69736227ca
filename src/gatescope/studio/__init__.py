"""Local pages that show what the library computes: rooms for circuits, runs, networks, captions."""
