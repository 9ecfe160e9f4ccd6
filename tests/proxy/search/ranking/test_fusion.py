import pytest

from vmcp_proxy.search.ranking.fusion import fuse


def test_what_stands_well_in_all_rankings_comes_before_what_is_first_in_one():
    assert next(iter(fuse([(1.0, [1, 2, 3]), (1.0, [4, 2, 5])]))) == 2


def test_a_score_is_one_where_every_ranking_has_the_same_first():
    assert fuse([(0.75, [7, 1]), (1.0, [7, 2])])[7] == pytest.approx(1.0)
    assert fuse([(0.75, [7, 1])])[7] == pytest.approx(1.0)


def test_equal_scores_are_in_the_order_of_the_positions():
    assert list(fuse([(1.0, [9, 3]), (1.0, [3, 9])])) == [3, 9]


def test_of_no_ranking_there_is_nothing():
    assert fuse([]) == {}
    assert fuse([(1.0, []), (1.0, [])]) == {}


def test_a_ranking_that_counts_more_decides_between_two_firsts():
    assert list(fuse([(0.75, [3]), (1.0, [9])])) == [9, 3]
