"""Alpaca: REST client, trade_updates stream, what bytes mean and what answers mean.

Nothing of the bus, the journal or the policy lives here. alpaca-py is not used on this path.
"""
