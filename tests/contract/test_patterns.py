"""Regular expressions meet what strangers wrote: none may take time that explodes with its length."""

import json
import subprocess
import sys
import textwrap

PROGRAM = textwrap.dedent('''
    import importlib, json, pkgutil, random, re, sys
    from re import _parser

    MANY = 40

    def sample(tokens, inner):
        """A text that the tokens match, each repetition as often as `inner` says where it may be so often."""
        return "".join(piece(*token, inner) for token in tokens)

    def piece(op, value, inner):
        name = str(op)
        if name == "LITERAL":
            return chr(value)
        if name == "NOT_LITERAL":
            return "~" if value != ord("~") else "-"
        if name == "ANY":
            return "x"
        if name == "IN":
            return one_of(value)
        if name == "BRANCH":
            return sample(value[1][0], inner)
        if name == "SUBPATTERN":
            return sample(value[3], inner)
        if name == "ATOMIC_GROUP":
            return sample(value, inner)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, body = value
            return sample(body, inner) * min(max(least, inner()), int(most))
        return ""

    def one_of(members):
        if str(members[0][0]) == "NEGATE":
            taken = {value for op, value in members[1:] if str(op) == "LITERAL"}
            return next(each for each in "a 0-~" if ord(each) not in taken)
        for op, value in members:
            if str(op) == "LITERAL":
                return chr(value)
            if str(op) == "RANGE":
                return chr(value[0])
        return {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}.get(str(members[0][1]), "~")

    def pumped(tokens, inner, before=""):
        """Texts in which one repetition comes many times, after what stands before it, and nothing fits in the end."""
        for op, value in tokens:
            name = str(op)
            if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                if int(value[1]) > 2:
                    yield before + sample(value[2], inner) * MANY
                yield from pumped(value[2], inner, before)
            elif name == "SUBPATTERN":
                yield from pumped(value[3], inner, before)
            elif name == "ATOMIC_GROUP":
                yield from pumped(value, inner, before)
            elif name == "BRANCH":
                for branch in value[1]:
                    yield from pumped(branch, inner, before)
            before += piece(op, value, inner)

    for root in ("vmcp_api", "vmcp_proxy", "vmcp_operator"):
        package = importlib.import_module(root)
        for module in pkgutil.walk_packages(package.__path__, root + "."):
            if not module.name.endswith(("__main__", "_main", ".entry")):
                importlib.import_module(module.name)
    found = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith("vmcp_"):
            for key, value in vars(module).items():
                pattern = getattr(value, "__self__", value)
                if isinstance(pattern, re.Pattern):
                    found.setdefault(pattern, f"{name}.{key}")
    for pattern, name in found.items():
        is_text = isinstance(pattern.pattern, str)
        print(json.dumps(name), flush=True)
        tokens = _parser.parse(pattern.pattern, pattern.flags)
        for seed in range(40):
            chance = random.Random(seed)
            for text in set(pumped(tokens, lambda: chance.choice((0, 1, 8)))):
                for end in ("", "\\x00", '"', " "):
                    subject = text[:4000] + end if is_text else (text[:4000] + end).encode("utf-8", "replace")
                    pattern.search(subject)
                    pattern.fullmatch(subject)
    print(json.dumps("done"))
''')


def test_no_regular_expression_of_the_product_takes_time_that_explodes():
    run = subprocess.Popen((sys.executable, "-c", PROGRAM), stdout=subprocess.PIPE, text=True)
    try:
        said, _ = run.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        run.kill()
        said, _ = run.communicate()
    names = [json.loads(each) for each in said.splitlines()]
    assert names[-1] == "done", f"stuck in {names[-1]}"
    assert len(names) > 80
