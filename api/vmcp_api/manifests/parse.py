"""Documents as data become models, or problems; the rules between fields are not looked at."""

import json
from typing import TypeVar

from pydantic import ValidationError

from vmcp_api.base import Json, Model
from vmcp_api.manifests.problems import Problem, Problems

ModelT = TypeVar("ModelT", bound=Model)


def parse_model(model: type[ModelT], data: Json) -> ModelT | Problems:
    """One model from plain data, as strictly as the API server: no conversions, no unknown keys."""
    try:
        text = json.dumps(data, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return Problems.of(
            Problem("holds a value that JSON cannot say", "use text, numbers, true, false, lists and mappings")
        )
    try:
        return model.model_validate_json(text, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        # Imported where something is wrong: the words for it need the schemas of all models.
        from vmcp_api.manifests.explain import explain  # noqa: PLC0415

        return explain(error, model)
