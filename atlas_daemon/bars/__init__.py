"""Daily bars: where they come from (files, the data API) and whether they can be trusted.

Every source answers with one shape, `frame.Bars`. Runs in the child process and in commands only:
numpy and pyarrow are at home here, the daemon's own process never imports this room.
"""
