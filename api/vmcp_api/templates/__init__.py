"""Templates of composite tools: two syntaxes, one evaluator, bounded in time and memory (ADR-0052)."""

from vmcp_api.templates.budget import Budget
from vmcp_api.templates.errors import TemplateError, TemplateKeyError
from vmcp_api.templates.template import ROOTS, Template, Tree, compile_template, compile_tree

__all__ = [
    "ROOTS",
    "Budget",
    "Template",
    "TemplateError",
    "TemplateKeyError",
    "Tree",
    "compile_template",
    "compile_tree",
]
