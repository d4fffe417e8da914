"""The pure core: decides, and does nothing.

Standard library only. No clock, no chance, no disk, no network, no log, no await: time comes in
with each event, and everything asked of the world goes out as an effect.
"""
