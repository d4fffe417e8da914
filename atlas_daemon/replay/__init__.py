"""History through the live path: years of sessions on a stage, and what became of the account.

The daemon, its adapters, its journal and the local broker are the real ones; the bars are read once
and handed out as the child process would read them. No strategy, no rule and no order is made here.
"""
