"""The chaos suite: completions by the thousand while everything is killed, frozen and scaled; then the balance."""
