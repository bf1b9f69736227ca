"""What a training leaves on disk: files that are whole or absent, and the run record."""
