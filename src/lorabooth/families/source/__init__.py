"""Finds a base model by the name the user wrote and hands out its components one by one."""

from lorabooth.families.source.find import ModelSource, component_config, find_model, load_component, prediction_type

__all__ = ["ModelSource", "component_config", "find_model", "load_component", "prediction_type"]
