"""The parts of a specification that a resource and the rendered config share."""
