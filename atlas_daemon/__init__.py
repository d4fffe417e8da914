"""Executes a validated strategy on Alpaca, unattended."""

__version__ = "0.1.0"
