"""Drills: the worst days of the daemon, brought about on purpose on this very host, and judged.

Lives here: real processes of the installed package (local broker and daemon) in a scratch folder,
what goes wrong between them (ground, wire, processes, one module for each kind of day), and what
both sides must have written afterwards (books, verdicts). May not live here: the account's own
state, its keys or its broker, none of which a drill needs; printing; putting evidence on record.
"""
