"""Tells people: alerts over webhooks and Apprise, and a sign of life while all is well.

Lives here: what is told and how urgently (advice, news), what is a repeat (outbox), how it is
written (letters, templates), how it is delivered (webhook, apprise, courier, messenger), and the
dead man's switch (heartbeat). May not live here: a decision about trading. Nothing waits for it.
"""

from .courier import Delivery
from .heartbeat import Heartbeat
from .messenger import Messenger
from .notice import Letter, Notice, Severity
from .webhook import Channel, Delivered, Later, Never, webhook_for

__all__ = [
    "Channel",
    "Delivered",
    "Delivery",
    "Heartbeat",
    "Later",
    "Letter",
    "Messenger",
    "Never",
    "Notice",
    "Severity",
    "webhook_for",
]
