"""The broker's own page for people: accounts, orders and prices as HTML and SVG, read-only.

Nothing here changes anything.
"""
