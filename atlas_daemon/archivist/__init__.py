"""Backup and restore: an account's state as one file, and back.

Lives here: what goes in and how it is proven whole (packing, unpacking), and what a restored
journal must learn of the time since (catching_up). May not live here: asking the broker, printing.
"""

from .catching_up import asked_since, events_since, scale_anew, unknown_orders
from .manifest import BackupError
from .packing import Packed, pack
from .unpacking import DRAFT, Unpacked, put_in_place, unpack

__all__ = [
    "DRAFT",
    "BackupError",
    "Packed",
    "Unpacked",
    "asked_since",
    "events_since",
    "pack",
    "put_in_place",
    "scale_anew",
    "unknown_orders",
    "unpack",
]
