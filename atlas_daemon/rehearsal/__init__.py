"""The dry run: the core itself, over an account that stands in for the broker's. Nothing is sent.

Effects are answered inside the process; reading the real account, where that is asked for, is
done with GETs before the first turn. No order can leave from here: nothing here holds the outlet.
"""
