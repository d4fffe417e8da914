"""What to hold and how much of it: universes, the scanner, the regime, inputs that others computed.

Frames in, targets and regimes out. The scanner and the jump model (numpy) run in the child process
and in commands only; `universe`, `benchmark`, `vix` and the readers of files are standard library
only. No orders, no sizes, no network here.
"""
