"""Documents as data become models that keep the rules between their fields, or problems."""

from vmcp_api.base import Json
from vmcp_api.manifests.parse import ModelT, parse_model
from vmcp_api.manifests.problems import Problems
from vmcp_api.rules import check_rules


def validate(model: type[ModelT], data: Json) -> ModelT | Problems:
    """One model from plain data, with the rules between its fields."""
    parsed = parse_model(model, data)
    if isinstance(parsed, Problems):
        return parsed
    return check_rules(parsed) or parsed
