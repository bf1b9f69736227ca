"""Scalar gates and circuits of them: pure Python, exact, explaining themselves."""
