"""What the tests share: real processes, waiting for conditions, and a small world of members and partners."""
