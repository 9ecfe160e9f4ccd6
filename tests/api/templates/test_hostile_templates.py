"""Templates of hostile authors over values of hostile callers: nothing escapes or costs more than its bounds."""

import contextlib
import json
import resource

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from vmcp_api.templates import Budget, TemplateError, compile_template
from vmcp_api.templates.values import from_json

LONG = "x" * 100_000
TWIN = "".join(["x"] * 100_000)
SCOPE = {
    "params": {
        "long": LONG,
        "twin": TWIN,
        "zeros": [0] * 100_000,
        "many": [LONG] * 1000,
        "text": "abc",
        "rows": [{"a": 1}],
    },
    "steps": {},
}


def refusal(text, scope=SCOPE):
    with pytest.raises(TemplateError) as caught:
        compile_template(text).value(scope, Budget())
    return caught.value.reason


@pytest.mark.scenario("W-2")
@pytest.mark.parametrize(
    "text",
    [
        "{{ params.__class__ }}",
        "{{ params.text.__class__.__mro__ }}",
        "{{ params['__class__'] }}",
        "{{ params.text['format'] }}",
        "{{ params.rows | map(attribute='a.__class__') }}",
        "{{ params.rows | selectattr('__class__', 'defined') | first }}",
        '{{index .params "__class__"}}',
        "{{.params.text.__init__.__globals__}}",
        "{% for k in params.text.__dict__ %}{{ k }}{% endfor %}",
        "{{ self.__init__ }}",
        "{{ range.__globals__ }}",
        "{{ loop.__class__ }}",
        "{{ joiner }}{{ namespace }}{{ lipsum }}",
        "{{ params.text | attr('upper') }}",
        "{{ params.text | format('x') }}",
        "{% set x = params.text.join %}{{ x }}",
    ],
)
def test_nothing_but_json_can_be_read(text):
    assert refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}",
        "{{range .params.many}}{{range $.params.many}}{{range $.params.many}}{{end}}{{end}}{{end}}",
        "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}",
        "{{ range(1000000000) }}",
        "{{ params.long | replace('x', params.long) }}",
        "{{ params.long | replace('', params.long) }}",
        "{{ params.many | join(params.long) }}",
        "{{ params.many | tojson }}",
        "{{ params.many }}",
        "{{json .params.many}}",
        "{{.params.many}} and more",
        '{{printf "%999999999d" 1}}',
        "{{ '%s' * 999999999 }}",
        "{{ 9223372036854775807 * 9223372036854775807 }}",
        "{{ 1e308 * 10 }}",
        "{{ ('9' * 1) | int }}",
        "{{ params.long | int }}",
        "{% set a = [1, 1] %}" + "".join(f"{{% set a = [{'a, ' * 10}a] %}}" for _ in range(12)) + "{{ a }}",
        "{% set a = [1, 1] %}" + "".join("{% set a = [a, a] %}" for _ in range(60)) + "{{ a == a and a | tojson }}",
        "{% set a = [1, 1] %}" + "".join("{% set a = [a, a] %}" for _ in range(60)) + "{{ [a] | sort }}",
        "{% set a = [1] %}{% set b = [1] %}"
        + "".join("{% set a = [a, a] %}{% set b = [b, b] %}" for _ in range(60))
        + "{{ a == b }}",
        "{% set a = [1] %}"
        + "".join("{% set a = [a, a] %}" for _ in range(60))
        + "{{ 1 in [a] and a in [a] }}x{{ a }}",
        "{{ $x := .params.long }}{{range .params.many}}{{$x = print $x $x}}{{end}}",
        "{{ params.many | unique | join }}{{ params.many | join }}",
        "{{ params.many | map(attribute='a') }}",
        "{% for i in params.many %}{{ params.long | upper }}{% endfor %}",
        "{% for a in range(100) %}{% if a in params.zeros %}x{% endif %}{% endfor %}",
        "{% for a in range(2000) %}{% if params.twin == params.long %}{% endif %}{% endfor %}" * 10,
        "".join(f"{{% set v{i} = 1 %}}" for i in range(3000)) + "{% for i in range(8000) %}{% endfor %}",
        "".join(f"{{{{$v{i} := 1}}}}" for i in range(3000)) + "{{range .params.zeros}}{{with .}}{{end}}{{end}}",
    ],
)
def test_no_template_takes_more_time_or_memory_than_it_may(text):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 << 10


MANY = 100_000
WIDE = {
    "params": {
        "zeros": [0] * MANY,
        "empty": [""] * MANY,
        "object": {str(i): 0 for i in range(MANY)},
        "long": "7" * (MANY * 64),
        "twin": "".join(["7"] * (MANY * 64)),
        "verbs": "%%" * MANY,
        "rows": [{"a": 1}] * 100,
        "path": ".".join("a" * 1000),
    },
    "steps": {},
}


@pytest.mark.parametrize(
    "text",
    [
        "{{ 1 in params.zeros }}",
        "{{ 1 not in params.zeros }}",
        "{{ params.empty | join | length }}",
        "{{ params.zeros | list | length }}",
        "{{ params.zeros | reverse | length }}",
        "{{ params.object | items | length }}",
        "{{ params.object | keys | length }}",
        "{{ params.object | dictsort | length }}",
        "{{len (slice .params.zeros 1)}}",
        "{{printf .params.verbs}}",
        "{{range .params.object}}{{break}}{{end}}",
        "{{ params.long == params.twin }}",
        "{{ params.long < params.twin }}",
        "{{ [params.long, params.twin] | max == '' }}",
        "{{ params.long | float(1) }}",
        "{{ params.rows | map(attribute=params.path, default=0) | length }}",
    ],
)
def test_whatever_looks_at_many_values_or_long_texts_pays_for_them(text):
    budget = Budget()
    with contextlib.suppress(TemplateError):
        compile_template(text).value(WIDE, budget)
    # A hundred thousand values, or as many texts of 64 characters, are worth some thousand steps and some hundred.
    assert budget.spent > 100


@pytest.mark.parametrize(
    "piece",
    [
        "{{",
        "{{(",
        '"\\"',
        "'\\'",
        "{{ `",
        "{{/*",
        "{{-",
        "}}{{",
        "{%",
        "{#",
        "{{.a",
        "{{ a|",
        "[",
        "{{ a + ",
        "{% if a %}",
        "\\",
        "{{if .params}}",
        "{{$a,",
        "{{ 1e",
        "{{ not ",
        "{{ a.b",
        "{{ -",
        "{% for a in ",
    ],
)
def test_hostile_texts_are_read_in_time_that_grows_with_their_length(piece):
    for text in (piece * (60_000 // len(piece)), "{{" + piece * (60_000 // len(piece)), "{{" + piece * 20_000 + "}}"):
        with contextlib.suppress(TemplateError):
            compile_template(text[:65_000]).value(SCOPE, Budget())


def test_errors_hold_no_value_of_a_caller():
    canary = "s3cr3t-c4n4ry"
    scope = {"params": {"s": canary, "l": [canary], "o": {canary: canary}}, "steps": {}}
    for text in (
        "{{ params.s.x }}",
        "{{ params.s | int }}",
        "{{ params.s + 1 }}",
        "{{ params.s | fromjson }}",
        "{{ params.l < 3 }}",
        "{{ params.o[params.s].x }}",
        "{{ params.o | join }}",
        "{{ params[params.s] }}",
        "{{gt .params.s 1}}",
        "{{index .params .params.s}}",
        '{{printf "%d" .params.s}}',
        "{{ params.l | map(attribute=params.s) }}",
        "{% for a, b in params.l %}{% endfor %}",
    ):
        assert canary not in refusal(text, scope)


pieces = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        ".params.text",
        "params.rows",
        " if ",
        " end ",
        "range ",
        " in ",
        "for ",
        "endfor",
        "|",
        "(",
        ")",
        '"',
        "'",
        "$x",
        ":=",
        "=",
        ",",
        "0",
        "1.5",
        "[",
        "]",
        ":",
        "{",
        "~",
        "-",
        "eq ",
        "index ",
        "json ",
        "printf ",
        "len ",
        "upper",
        "join",
        " not ",
        " and ",
        "set x",
        "else",
        "with ",
        "loop.index",
        "x",
        "\n",
        "`",
        "\\",
        ".",
        "params",
        "steps",
        "__class__",
        "[0]",
        "tojson",
    ]
)


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(pieces, max_size=25))
def test_any_text_has_a_json_value_or_an_error_of_ours(parts):
    try:
        found = compile_template("".join(parts)).value(SCOPE, Budget())
    except TemplateError:
        return
    json.dumps(found)


@pytest.mark.parametrize(
    "last", ["🙂", "\\ud83d\\ude42", "ก", "\\u0e01"], ids=["emoji", "escaped", "wide", "escaped wide"]
)
def test_a_json_text_that_a_template_reads_is_weighed_by_its_widest_character(last):
    budget = Budget(memory=1500)
    assert from_json(f'["{"x" * 1000}x"]', budget) == ["x" * 1001]
    with pytest.raises(TemplateError, match="takes more memory than there is"):
        from_json(f'["{"x" * 1000}{last}"]', Budget(memory=1500))
