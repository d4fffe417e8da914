"""The operator's wishes: read, checked whole, frozen.

Lives here: the keys and what they take (definitions, kinds), where values come from (sources),
what they mean for each other (checks, identity, places), the result (settings) and the account's
keys (credentials). May not live here: anything that acts on them, or a library beyond Python's own.
"""

from .availability import refuse_unavailable
from .credentials import Credentials, find_credentials, load_credentials
from .definitions import KEYS, Key
from .settings import Item, Settings, load_settings

__all__ = [
    "KEYS",
    "Credentials",
    "Item",
    "Key",
    "Settings",
    "find_credentials",
    "load_credentials",
    "load_settings",
    "refuse_unavailable",
]
