"""A stage: the unmodified daemon and the local broker in one process, on a clock that jumps.

Loop, connections and time are played; everything that stands on them is the real thing. Nothing is
decided here, and no daemon is made here: whoever asks hands one in.
"""

from .stage import Backdrop, Player, Scene, Stage, perform

__all__ = ["Backdrop", "Player", "Scene", "Stage", "perform"]
