"""Faults as words: the vocabulary, what is armed with which dice, and the scenarios that arm it.

Nothing is acted out here, and nothing of the broker is known.
"""
