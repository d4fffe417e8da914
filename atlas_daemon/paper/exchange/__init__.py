"""The exchange: accounts, orders, the rules they have to pass, and their way through time.

Pure: no clock, no sockets; every call says when it happens.
"""
