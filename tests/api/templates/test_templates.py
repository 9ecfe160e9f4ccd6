"""Templates of composite tools: both syntaxes say the same, typed values stay typed, what is missing is an error."""

import pytest

from vmcp_api.templates import Budget, TemplateError, TemplateKeyError, compile_template, compile_tree

SCOPE = {
    "params": {
        "n": 3,
        "name": "x",
        "flag": True,
        "rows": [{"a": 1, "t": "q"}, {"a": 2, "t": "w"}],
        "f": 2.0,
        "no": None,
    },
    "steps": {
        "get-it": {"output": {"k": 1}},
        "a": {"status": "completed", "output": {"text": '{"u":{"n":"bo"}}', "c": 12.0}},
    },
    "workflow": {"id": "i"},
    "forEach": {"item": {"p": "q"}, "index": 4},
    "vars": {},
    "timestamp": "2026-11-30T00:00:00Z",
}


def value(text):
    return compile_template(text).value(SCOPE, Budget())


@pytest.mark.scenario("W-2", "W-7")
@pytest.mark.parametrize(
    ("go", "jinja", "expected"),
    [
        ("{{.params.n}}", "{{ params.n }}", 3),
        ("{{ .params.rows }}", "{{ params.rows }}", SCOPE["params"]["rows"]),
        ("{{.params.no}}", "{{ params.no }}", None),
        ("{{.params.n}}\n", "{{ params.n }}\n", 3),
        ("{{.params.name}}\n", "{{ params.name }}\n", "x\n"),
        (
            "n={{.params.n}}, {{.params.flag}}, {{.params.f}}",
            "n={{ params.n }}, {{ params.flag }}, {{ params.f }}",
            "n=3, true, 2",
        ),
        ("{{.params.rows}} ", "{{ params.rows }} ", SCOPE["params"]["rows"]),
        ("={{.params.rows}}", "={{ params.rows }}", '=[{"a":1,"t":"q"},{"a":2,"t":"w"}]'),
        ("{{json .params.rows}}", "{{ params.rows | tojson }}", '[{"a":1,"t":"q"},{"a":2,"t":"w"}]'),
        ("{{(fromJson .steps.a.output.text).u.n}}", "{{ (steps.a.output.text | fromjson).u.n }}", "bo"),
        ("{{quote .params.name}}", "{{ params.name | quote }}", '"x"'),
        ('{{eq .steps.a.status "completed"}}', "{{ steps.a.status == 'completed' }}", True),
        ('{{eq .steps.a.status "no" "completed"}}', "{{ steps.a.status in ['no', 'completed'] }}", True),
        ("{{gt .steps.a.output.c 10}}", "{{ steps.a.output.c > 10 }}", True),
        ("{{and .params.flag (le .params.n 3)}}", "{{ params.flag and params.n <= 3 }}", True),
        ("{{or .params.absent .params.name}}", "{{ params.absent or params.name }}", "x"),
        ("{{not .params.absent}}", "{{ not params.absent }}", True),
        ('{{eq .params.absent "x"}}', "{{ params.absent == 'x' }}", False),
        (
            "{{if .params.absent}}a{{else if .params.flag}}b{{else}}c{{end}}",
            "{% if params.absent %}a{% elif params.flag %}b{% else %}c{% endif %}",
            "b",
        ),
        (
            "{{range .params.rows}}{{.t}};{{else}}-{{end}}",
            "{% for r in params.rows %}{{ r.t }};{% else %}-{% endfor %}",
            "q;w;",
        ),
        (
            "{{range $i, $r := .params.rows}}{{$i}}{{$r.a}},{{end}}",
            "{% for r in params.rows %}{{ loop.index0 }}{{ r.a }},{% endfor %}",
            "01,12,",
        ),
        (
            "{{range $k, $v := .steps.a.output}}{{$k}} {{end}}",
            "{% for k, v in steps.a.output | items %}{{ k }} {% endfor %}",
            "c text ",
        ),
        ('{{index .steps "get-it" "output" "k"}}', "{{ steps['get-it'].output.k }}", 1),
        ('{{index .params.rows 1 "t"}}', "{{ params.rows[1].t }}", "w"),
        ("{{.forEach.item.p}}{{.forEach.index}}", "{{ forEach.item.p }}{{ forEach.index }}", "q4"),
        ("{{len .params.rows}}", "{{ params.rows | length }}", 2),
        ("a{{- .params.name -}} b", "a{{- params.name -}} b", "axb"),
        ("{{/* none */}}x", "{# none #}x", "x"),
        ("{{true}}", "{{ true }}", True),
        ("{{.timestamp}}", "{{ timestamp }}", SCOPE["timestamp"]),
    ],
)
def test_both_syntaxes_say_the_same(go, jinja, expected):
    assert value(go) == expected
    assert value(jinja) == expected
    assert type(value(go)) is type(value(jinja)) is type(expected)
    assert compile_template(go).reads == compile_template(jinja).reads or "[" in jinja


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain } text", "plain } text"),
        (
            '{{printf "%d %5.2f|%-5s|%05d|%q %t %v%%" 3 2.5 "a" 7 "b" true .params.n}}',
            '3  2.50|a    |00007|"b" true 3%',
        ),
        ('{{ .params.rows | json | printf "%s!" }}', '[{"a":1,"t":"q"},{"a":2,"t":"w"}]!'),
        ("{{ $x := 1 }}{{range .params.rows}}{{$x = .a}}{{end}}{{$x}}", "2"),
        ("{{with .params.absent}}a{{else}}b{{end}}{{with $y := .params.n}}{{$y}}{{.}}{{end}}", "b33"),
        ("{{range .params.rows}}{{if eq .a 1}}{{continue}}{{end}}{{.a}}{{break}}{{end}}", "2"),
        ('{{slice "abcdef" 1 3}}{{len "é"}}{{html "<"}}{{urlquery "a b"}}{{println "a" 1}}', "bc1&lt;a%20ba 1\n"),
        ('{{ "\\u00e9\\x41\\n" }}{{ `\\n` }}{{.params.n}}', "éA\n\\n3"),
        ("{{if .params.flag}}{{$.params.n}}{{end}}{{range .params.rows}}{{$.params.n}}{{end}}", "333"),
        ("{{ params.absent | default('d') }}", "d"),
        ("{{ params.absent.deeper | default(params.n) }}", 3),
        ("{{ params.absent is defined }}", False),
        ("{{ params.rows | map(attribute='a') | sum }}", 3),
        ("{{ params.rows | selectattr('a', '>', 1) | map(attribute='t') | join(',') }}", "w"),
        ("{{ params.rows | rejectattr('a', 'eq', 2) | list | length }}", 1),
        ("{{ [3, 1, 2, 1] | sort | unique | join('-') }}", "1-2-3"),
        ("{{ params.rows | sort(attribute='a', reverse=true) | first }}", {"a": 2, "t": "w"}),
        ("{{ {'n': params.n, 'l': [params.name, none]} }}", {"n": 3, "l": ["x", None]}),
        ("{{ 'y' if params.n > 2 else 'n' }}{{ params.name ~ params.n }}", "yx3"),
        ("{{ (params.n * 2 + 1) / 2 }}", 3.5),
        ("{{ -params.n // 2 % 5 }}", 3),
        ("{{ 1 < params.n <= 3 and 'x' in params.name }}", True),
        ("{{ '12' | int + ('1.5' | float) }}", 13.5),
        ("{{ range(1, 6, 2) | join(',') }}{% set y = params.n %}{{ y }}", "1,3,53"),
        ("{% for r in params.rows if r.a > 1 %}{{ r.t }}{{ loop.last }}{% endfor %}", "wtrue"),
        ("{{ 'A-b' | lower | replace('-', '+') | upper | trim | reverse }}", "B+A"),
        ("{{ params.rows | min | default(0) if false else [2, 1] | max }}", 2),
    ],
)
def test_a_template_says(text, expected):
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{{.params.absent}}", "params.absent"),
        ("say {{ params.absent }}", "params.absent"),
        ("{{.steps.a.output.text.deeper.still}}", "steps.a.output.text.deeper"),
        ("{{json .params.absent}}", "params.absent"),
        ("{{ params.rows[7].a }}", "params.rows.7"),
        ("{{ params.absent | upper }}", "params.absent"),
        ("{{range .params.rows}}{{.absent}}{{end}}", "absent"),
        ("{{ [params.absent] }}", "params.absent"),
        ("{{gt .params.absent 3}}", "params.absent"),
        ("{{ params.absent ~ 'x' }}", "params.absent"),
    ],
)
def test_what_is_not_there_is_an_error_that_names_it(text, path):
    template = compile_template(text)
    with pytest.raises(TemplateKeyError, match="there is no") as caught:
        template.value(SCOPE, Budget())
    assert path in caught.value.reason


@pytest.mark.scenario("W-8")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{.nope}}", "there is no 'nope'; templates read params"),
        ("{{ nope.x }}", "there is no 'nope'"),
        ("{{json .}}", "reads all there is"),
        ("{{ $ }}", "reads all there is"),
        ("{{ .params.n }", "'}' means nothing here"),
        ("{{ .params.n ", "not closed"),
        ("{{ params.n ", "unexpected"),
        ("{{if .params.n}}", "has no {{end}}"),
        ("{{end}}", "closes nothing"),
        ("{{if .params.n}}{{else}}{{else}}{{end}}", "followed by one {{end}}"),
        ("{{break}}", "stands in no range"),
        ('{{define "x"}}{{end}}', "'define' is not supported"),
        ("{{.params.get-it}}", "read by index"),
        ("{{foo .params}}", "there is no function 'foo'; there are and, eq"),
        ("{{ .params.n 3 }}", "only functions take arguments"),
        ("{{len .params .steps}}", "'len' does not take 2 arguments"),
        ("{{(len .params}}", "not closed"),
        ("{{ params | foo }}", "there is no filter 'foo'; there are abs"),
        ("{{ params is foo }}", "test 'foo'"),
        ("{{ params | join(1, 2, 3) }}", "does not take these arguments"),
        ("{{ params.name.upper() }}", "values have no functions"),
        ("{% macro f() %}{% endmacro %}", "'macro' is not supported"),
        ("{% import 'x' as y %}", "'import' is not supported"),
        ("{% include 'x' %}", "'include' is not supported"),
        ("{{ params[1:2] }}", "'getitem' is not supported"),
        ("{{ 2 ** 9 }}", "'pow' is not supported"),
        ("{{ }}", "(line 1)"),
        ("{{" + "(" * 60 + "len .params" + ")" * 60 + "}}", "nested more than 50"),
        ("x" * 70_000, "70000 characters"),
    ],
)
def test_a_template_that_cannot_work_is_refused_with_its_reason(text, reason):
    with pytest.raises(TemplateError) as caught:
        compile_template(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{.params.flag}}", True),
        (" {{ 'false' }} ", False),
        ("TRUE", True),
        ("{{if .params.absent}}true{{else}}false{{end}}", False),
    ],
)
def test_a_condition_is_true_or_false(text, expected):
    assert compile_template(text).truth(SCOPE, Budget()) is expected


@pytest.mark.parametrize("text", ["{{.params.n}}", "{{ params.name }}", "", "{{ params.no }}", "{{.params.rows}}"])
def test_a_condition_that_is_neither_is_an_error_without_its_value(text):
    with pytest.raises(TemplateError, match="a condition must be true or false") as caught:
        compile_template(text).truth(SCOPE, Budget())
    assert "'x'" not in caught.value.reason


def test_a_tree_has_templates_in_its_strings_and_names_the_one_that_fails():
    tree = compile_tree({"a": "{{.params.n}}", "b": [{"c": "-{{ params.name }}-"}, 7, None], "{{.params.n}}": True})
    assert tree.value(SCOPE, Budget()) == {"a": 3, "b": [{"c": "-x-"}, 7, None], "{{.params.n}}": True}
    assert tree.reads == {("params", "n"), ("params", "name")}
    with pytest.raises(TemplateError, match=r"b\[1\]\.c: there is no filter"):
        compile_tree({"b": [0, {"c": "{{ params | foo }}"}]})
    with pytest.raises(TemplateKeyError, match=r"b\[1\]: there is no 'params\.absent'"):
        compile_tree({"b": [0, "{{.params.absent}}"]}).value(SCOPE, Budget())
    deep = "x"
    for _ in range(100):
        deep = [deep]
    with pytest.raises(TemplateError, match="nested more than 64 deep"):
        compile_tree(deep)
