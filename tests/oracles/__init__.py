"""Other people's implementations of the standards, asked for their opinion on what Laurel signs and verifies."""
