"""The credential core: Open Badges 3.0 credentials, their proofs, their status and their verification.

Everything here is a function of its arguments. Time, keys and random values are passed in; nothing
reads a clock, the environment, the network or a disk other than the JSON-LD contexts that ship with
the package.
"""
