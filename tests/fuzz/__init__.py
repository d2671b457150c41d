"""Fuzzing of everything that reads what others wrote; `make fuzz` runs it.

An input is a valid sample that was changed. What reads it may refuse it, with one of our errors, and may do nothing
else: no other exception, and no more than a bounded time of CPU. Each input follows from the seed, the target's name
and its own number alone, so a finding comes back with `--seed`, `--target` and `--number`.
"""
