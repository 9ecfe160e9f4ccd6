"""The collection by which tool search is measured is what it claims to be; one that contradicts itself is refused."""

import json
import re
from collections import Counter

import pytest

from benchmarks.search.collection import KINDS, OWN, UNSERVED, CollectionError, read_collection

LANGUAGES = ("en", "de", "fr", "es", "zh")


@pytest.fixture(scope="module")
def own():
    return read_collection(OWN)


def words(text):
    return re.findall(r"\w+", text.lower())


def write(folder, servers, queries):
    for kind, files in (("servers", servers), ("queries", queries)):
        (folder / kind).mkdir(parents=True)
        for name, lines in files.items():
            (folder / kind / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


QUERY = {"language": "en", "query": "anything", "tools": ["files/read"]}


def test_there_are_as_many_servers_tools_and_queries_as_a_set_needs_to_tell_rankings_apart(own):
    assert len({each.server for each in own.tools}) >= 30
    assert len(own.tools) >= 400
    assert len(own.served) >= 300
    assert len(own.unserved) >= 30
    assert {each.kind for each in own.served} == set(KINDS)
    assert min(Counter(each.kind for each in own.served).values()) >= 50


def test_queries_are_in_five_languages_of_each_kind(own):
    counts = Counter((each.kind, each.language) for each in own.served)
    assert set(counts) == {(kind, language) for kind in KINDS for language in LANGUAGES}
    assert min(counts.values()) >= 3


def test_tasks_need_one_to_a_few_tools_and_single_queries_are_not_answered_by_half_of_a_server(own):
    assert all(1 <= len(each.relevant) <= 5 for each in own.served)


def test_no_query_is_the_copy_of_a_description_and_none_is_asked_twice(own):
    descriptions = {" ".join(words(json.loads(each.raw).get("description", ""))) for each in own.tools}
    asked = [" ".join(words(each.query)) for each in own.topics]
    assert not descriptions & set(asked)
    assert len(asked) == len(set(asked))


def test_the_tools_are_as_different_as_in_the_field(own):
    descriptors = [json.loads(each.raw) for each in own.tools]
    assert sum("description" not in each for each in descriptors) >= 20
    assert sum(len(each.get("description", "")) > 200 for each in descriptors) >= 10
    assert all(each["inputSchema"]["type"] == "object" for each in descriptors)
    names = [each["name"] for each in descriptors]
    assert any("_" in name for name in names)
    assert any("-" in name for name in names)
    assert any(re.search("[a-z][A-Z]", name) for name in names)
    assert any(count > 1 for count in Counter(names).values())


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ({"line": [{**QUERY, "tools": ["files/write"]}]}, "files/write"),
        ({"line": [{**QUERY, "tools": []}]}, "tools are for queries of"),
        ({UNSERVED: [QUERY]}, "tools are for queries of"),
        ({"verse": [QUERY]}, "the kinds of queries are"),
        ({"line": [{**QUERY, "langauge": "en"}]}, "unknown members langauge"),
        ({"line": [{"query": "anything"}]}, "line.jsonl:1: a query has"),
        ({}, "has no files"),
    ],
)
def test_a_collection_that_contradicts_itself_is_refused_with_the_place(tmp_path, queries, said):
    write(tmp_path, {"files": [{"name": "read"}]}, queries)
    with pytest.raises(CollectionError, match=re.escape(said)):
        read_collection(tmp_path)


def test_a_tool_that_is_there_twice_is_refused(tmp_path):
    write(tmp_path, {"files": [{"name": "read"}, {"name": "read"}]}, {"line": [QUERY]})
    with pytest.raises(CollectionError, match="files/read"):
        read_collection(tmp_path)
