"""Photos and prompts → examples → tensors."""
