"""Measures a model folder against the bars of the embedded base model."""
