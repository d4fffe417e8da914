"""The local broker: a program of its own that behaves as Alpaca's paper trading does.

Trading API, trade_updates stream and market data on one port. Imports nothing of the daemon;
the daemon talks to it over sockets only, as it does with Alpaca.
"""
