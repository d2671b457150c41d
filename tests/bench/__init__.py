"""Measurements of the whole of Laurel on one machine. They report; nothing here passes or fails."""
