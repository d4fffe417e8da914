"""The edges: they run effects and turn what the world says into events.

Here live sockets, clocks and signals. They decide nothing about orders.
"""
