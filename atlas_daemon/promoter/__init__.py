"""From paper to live: what must be proven, the certificate that says so, and the watch over it.

Lives here: the reading of a journal for evidence, the handbook's checklists as checks, the
certificate's file. May not live here: asking of people, brokers or daemons (the command line does),
and what the lack of a certificate means for an order (the core's).
`certificate` and `certificate_watch` are the daemon's own process's: they load nothing beyond
Python's library.
"""
