"""The drawn world: every picture and its caption are a function of (settings, seed, index)."""
