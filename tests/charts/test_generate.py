"""What is generated around the charts is what is committed."""

import pytest
import yaml

from charts import metrics_page
from charts.generate import (
    CRDS_CHART,
    PAGE,
    ROOT,
    Value,
    build_crd_template,
    build_crd_templates,
    build_page,
    read_values,
)

CRD = "# Head.\nkind: CustomResourceDefinition\nmetadata:\n  name: things.vmcp.dev\nspec:\n  text: say {{ .name }}\n"


def rendered(template: str, *, keep: bool) -> str:
    """What Helm makes of the generated part of a template."""
    text = template.partition("-}}\n")[2]
    text = text.replace('    {{- include "vmcp-operator-crds.labels" . | nindent 4 }}\n', "    a: b\n")
    before, _, rest = text.partition("  {{- if .Values.keep }}\n")
    inner, _, after = rest.partition("  {{- end }}\n")
    return (before + (inner if keep else "") + after).replace('{{ "{{" }}', "{{")


def test_the_committed_crd_templates_are_those_of_the_crds():
    templates = {path.name: path.read_text(encoding="utf-8") for path in CRDS_CHART.glob("templates/crd-*.yaml")}
    assert templates == build_crd_templates(), "run: python charts/generate.py"


def test_the_committed_page_is_that_of_the_values():
    assert PAGE.read_text(encoding="utf-8") == build_page(), "run: python charts/generate.py"


def test_the_committed_page_of_metrics_is_that_of_the_code():
    assert metrics_page.PAGE.read_text(encoding="utf-8") == metrics_page.build_page(), "run: make crds"


@pytest.mark.scenario("K-15")
@pytest.mark.parametrize("path", sorted((ROOT / "crds").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_crd_template_gives_the_crd_and_asks_helm_to_keep_it(path):
    crd = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    template = build_crd_template(path.read_text(encoding="utf-8"))
    for keep in (True, False):
        made = yaml.load(rendered(template, keep=keep), yaml.CSafeLoader)
        assert made["metadata"].pop("labels") == {"a": "b"}
        assert made["metadata"].pop("annotations", None) == ({"helm.sh/resource-policy": "keep"} if keep else None)
        assert made == crd


def test_braces_in_a_description_are_no_template():
    template = build_crd_template(CRD)
    assert 'say {{ "{{" }} .name }}' in template
    assert yaml.safe_load(rendered(template, keep=True))["spec"] == {"text": "say {{ .name }}"}


def test_a_file_that_is_no_crd_is_refused():
    with pytest.raises(ValueError, match="no metadata"):
        build_crd_template("kind: Thing\nspec: {}\n")


def test_sections_are_walked_and_a_map_with_a_sentence_is_one_value():
    text = "# Of all.\na: 1\n\nb:\n  # One\n  # sentence.\n  c: []\n\n# A map.\nd:\n  e: f\ng: {}\n"
    assert read_values(text) == (
        Value("a", 1, "Of all."),
        Value("b.c", [], "One sentence."),
        Value("d", {"e": "f"}, "A map."),
        Value("g", {}, ""),
    )


def test_a_file_of_comments_has_no_values():
    assert read_values("# Nothing.\n") == ()
