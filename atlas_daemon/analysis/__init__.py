"""Figures about an account's past: for the command line only. Nothing here reads, sends or decides.

Statistics are floats; money and quantities come in as `Decimal` and stay what they were.
"""
