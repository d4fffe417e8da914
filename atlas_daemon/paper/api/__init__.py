"""Alpaca's interfaces as handlers of requests, and the door that each request comes through.

They read, ask the exchange and show the answer; they decide nothing.
"""
