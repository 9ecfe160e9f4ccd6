"""The ranking of tools keeps its quality on the collection of the project, and the gate tells what got worse."""

import json
from dataclasses import replace

import pytest

from benchmarks.docs import BEGIN, END, with_figures
from benchmarks.search import __main__ as command
from benchmarks.search.collection import OWN, Collection, Tool, Topic, read_collection
from benchmarks.search.contenders import FUSED, PLAIN, WORDS, Contender, contenders
from benchmarks.search.evaluation import evaluate
from benchmarks.search.gate import disorder, losses, read_baseline, write_baseline
from benchmarks.search.measures import Answer, Marks, Quality, reciprocal_rank
from benchmarks.search.plain import PlainBm25
from benchmarks.search.tables import markdown, misses, terminal

TOOLS = tuple(Tool("files", name, b"{}") for name in ("read", "write", "move"))
TOPICS = (
    Topic("line", "en", "show me the text", (), frozenset({"files/read"})),
    Topic("agent", "de", "store text", ("save",), frozenset({"files/write"})),
    Topic("unserved", "en", "call my mother", (), frozenset()),
)
COLLECTION = Collection(TOOLS, TOPICS)
NAMES = {"plain": PLAIN, "words": WORDS, "fused": FUSED}


def found(*ranked):
    return Answer(ranked, is_weak=False)


def weak(*ranked):
    return Answer(ranked, is_weak=True)


GOOD = [found("files/read"), found("files/write"), weak("files/read")]
FAIR = [found("files/move", "files/read"), found("files/move"), weak("files/read")]
POOR = [found("files/move"), found("files/move"), found("files/move")]


def evaluated(**answers):
    return evaluate(
        COLLECTION,
        [Contender(NAMES[name], lambda _, answers=answers[name]: answers, marks=name != "plain") for name in answers],
    )


@pytest.mark.scenario("T-8")
def test_on_the_own_collection_nothing_is_worse_than_the_baseline_and_each_ranking_beats_the_one_before():
    collection = read_collection(OWN)
    evaluations = evaluate(collection, contenders(collection.tools))
    assert disorder(evaluations) == []
    assert losses(evaluations, read_baseline(OWN)) == []


def test_recall_counts_relevant_tools_among_the_first_eight():
    ranked = tuple("abcdefghij")
    half = Quality.of([(found(*ranked), {"a", "i"})])
    assert (half.recall, half.mrr) == (0.5, 1.0)
    many = Quality.of([(found(*ranked), set("abcdefghij"))])
    assert many.recall == 1.0


def test_the_reciprocal_rank_is_that_of_the_first_relevant_tool_and_none_is_worth_nothing():
    assert reciprocal_rank("abcd", {"c", "d"}) == 1 / 3
    assert reciprocal_rank("abcd", {"x"}) == 0.0


def test_a_mark_is_right_where_nothing_relevant_was_found_and_a_false_alarm_where_something_was():
    alarm, missed, fine = (weak("a"), {"a"}), (weak("b"), {"a"}), (found("a"), {"a"})
    marks = Marks.of([alarm, missed, fine], [weak(), found("c")])
    assert marks == Marks(caught=0.5, right=2 / 3, false_alarms=0.5)


def test_plain_bm25_prefers_rare_words_and_short_texts_and_leaves_out_what_shares_no_word():
    plain = PlainBm25(["list files", "list files of a folder and more", "list tickets", "send a message"])
    assert plain.search("list tickets", 10)[0] == 2
    assert plain.search("Files!", 10) == [0, 1]
    assert plain.search("nothing", 10) == []


def test_the_gate_names_each_figure_that_is_worse_by_more_than_one_topic(tmp_path):
    before = evaluated(plain=POOR, words=FAIR, fused=GOOD)
    write_baseline(tmp_path, before)
    assert losses(before, read_baseline(tmp_path)) == []
    after = losses(evaluated(plain=POOR, words=FAIR, fused=POOR), read_baseline(tmp_path))
    assert f"{FUSED}: MRR all is 0.0000, and was 1.0000" in after
    assert not [line for line in after if line.startswith(WORDS)]


def test_what_one_topic_weighs_is_forgiven_for_near_scores_are_rounded_otherwise_elsewhere(tmp_path):
    topics = TOPICS[:1] * 10 + TOPICS[2:]
    several = replace(COLLECTION, topics=topics)
    good, bad = found("files/read"), found("files/move")

    def run(wrong):
        answers = [bad] * wrong + [good] * (10 - wrong) + [weak()]
        return evaluate(several, [Contender(FUSED, lambda _: answers, marks=True)])

    write_baseline(tmp_path, run(0))
    assert losses(run(1), read_baseline(tmp_path)) == []
    assert len(losses(run(2), read_baseline(tmp_path))) == 4


def test_more_false_alarms_are_a_loss_and_fewer_are_none(tmp_path):
    alarmed = [replace(answer, is_weak=True) for answer in GOOD]
    write_baseline(tmp_path, evaluated(fused=GOOD))
    assert [line for line in losses(evaluated(fused=alarmed), read_baseline(tmp_path)) if "false alarms" in line]
    write_baseline(tmp_path, evaluated(fused=alarmed))
    assert losses(evaluated(fused=GOOD), read_baseline(tmp_path)) == []


def test_a_figure_without_a_baseline_is_a_loss(tmp_path):
    assert read_baseline(tmp_path) is None
    write_baseline(tmp_path, evaluated(fused=GOOD))
    assert f"{WORDS}: no baseline for recall all" in losses(evaluated(words=GOOD, fused=GOOD), read_baseline(tmp_path))


def test_a_ranking_that_is_no_better_than_the_one_before_is_named():
    assert disorder(evaluated(plain=POOR, words=FAIR, fused=GOOD)) == []
    worse = disorder(evaluated(plain=POOR, words=GOOD, fused=FAIR))
    assert worse[0] == f"{FUSED} has recall 0.5000, no more than {WORDS} with 1.0000"
    assert len(disorder(evaluated(plain=GOOD, words=GOOD, fused=GOOD))) == 4


def test_tables_show_every_contender_by_kind_and_language_and_misses_say_what_came_instead():
    evaluations = evaluated(plain=POOR, words=FAIR, fused=GOOD)
    shown = markdown(COLLECTION, evaluations)
    assert "3 tools of 1 servers, 2 queries that tools serve and 1 that none serves." in shown
    assert "| recall@8, % | all (2) | one line (1) | agent (1) | en (1) | de (1) |" in shown
    assert f"| {FUSED} | 100.0 | 100.0 | 100.0 | 100.0 | 100.0 |" in shown
    assert f"| {WORDS} | 50.0 |" in shown
    assert FUSED in terminal(evaluations)
    assert misses(evaluations[1]) == ["agent de 'store text': missed files/write; found files/move"]


def test_tables_go_between_the_markers_of_their_own_page():
    page = with_figures(f"<!-- other -->\nold\n{END}\nrest {BEGIN}", "new", "<!-- other -->")
    assert page == f"<!-- other -->\n\nnew\n\n{END}\nrest {BEGIN}"


def test_the_baseline_of_the_own_collection_is_about_both_of_our_rankings():
    assert set(json.loads((OWN / "baseline.json").read_text())) == {WORDS, FUSED}


def run(monkeypatch, folder, *arguments, **answers):
    def contending(name):
        by_query = dict(zip((topic.query for topic in TOPICS), answers[name], strict=True))
        return Contender(NAMES[name], lambda topics: [by_query[topic.query] for topic in topics], marks=True)

    monkeypatch.setattr("sys.argv", ["search", "--set", str(folder), *arguments])
    monkeypatch.setattr(command, "contenders", lambda *_: [contending(name) for name in answers])
    return command.main()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "servers").mkdir()
    (tmp_path / "queries").mkdir()
    (tmp_path / "servers" / "files.jsonl").write_text("".join(f'{{"name": "{tool.name}"}}\n' for tool in TOOLS))
    for topic in TOPICS:
        line = {"language": topic.language, "query": topic.query, "tools": sorted(topic.relevant)}
        (tmp_path / "queries" / f"{topic.kind}.jsonl").write_text(json.dumps(line))
    return tmp_path


def test_the_command_ends_with_1_at_a_loss_and_names_it(monkeypatch, folder, capsys):
    best_first = {"plain": POOR, "words": FAIR, "fused": GOOD}
    assert run(monkeypatch, folder, "--write-baseline", **best_first) == 0
    assert run(monkeypatch, folder, **best_first) == 0
    assert run(monkeypatch, folder, **best_first | {"fused": FAIR}) == 1
    assert f"! {FUSED} has recall" in capsys.readouterr().err


def test_another_collection_without_a_baseline_is_held_to_the_order_alone(monkeypatch, folder):
    assert run(monkeypatch, folder, plain=POOR, words=FAIR, fused=GOOD) == 0
    assert run(monkeypatch, folder, plain=GOOD, words=FAIR, fused=GOOD) == 1


def test_a_collection_that_cannot_be_read_ends_the_command_with_2_and_the_place(monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, tmp_path, fused=GOOD) == 2
    assert str(tmp_path) in capsys.readouterr().err
