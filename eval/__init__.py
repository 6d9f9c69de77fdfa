"""Measures how good Morelli is, and how fast, beside baselines on the same files."""
