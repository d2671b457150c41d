"""The wire schemas: every event Laurel sends or accepts, and nothing that moves them.

Start at `topics.py`, the catalogue. This package imports no broker, no database and no clock.
"""
