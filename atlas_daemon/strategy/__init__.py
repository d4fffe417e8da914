"""What to hold: universes, the 52-week-high scanner, and inputs that others computed.

Frames in, targets out. The scanner (numpy) runs in the child process and in commands only;
`targets_file` and `regime_file` are standard library only. No orders, no sizes, no network here.
"""
