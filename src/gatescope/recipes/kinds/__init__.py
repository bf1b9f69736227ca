"""What recipes are made of: their kinds, settings, results, and what they keep."""
