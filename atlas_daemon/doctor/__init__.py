"""The doctor says whether the next slot would succeed, and whether anybody would hear if not.

Here live the questions that only look (`asking`, `readonly`, `look_*`) and the judgements on what
they brought (`on_*`: plain functions from answers to findings). Nothing is sent to a broker, no
lock is taken, no journal written. The rehearsal itself is another room's: its document is judged.
"""
