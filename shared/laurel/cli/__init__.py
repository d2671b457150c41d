"""The `laurel` command: what operators and partners do from a terminal."""
