"""Figures, not tests: what the daemon costs. `python -m bench` prints them."""
