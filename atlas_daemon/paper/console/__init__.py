"""The fault console: when each fault begins and ends, and what it does to the broker.

Faults of requests and of the stream are acted out where those pass; the rest happens here.
"""
