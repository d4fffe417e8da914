"""Markets made of daily bars, invented or played back, and the sessions they are open in.

Pure: prices as functions of the moment; who trades on them is the exchange's business.
"""
