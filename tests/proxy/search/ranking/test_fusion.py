import pytest

from vmcp_proxy.search.ranking.fusion import fuse


def test_what_stands_well_in_all_rankings_comes_before_what_is_first_in_one():
    assert next(iter(fuse([[1, 2, 3], [4, 2, 5]]))) == 2


def test_a_score_is_one_where_every_ranking_has_the_same_first():
    assert fuse([[7, 1], [7, 2]])[7] == pytest.approx(1.0)
    assert fuse([[7, 1]])[7] == pytest.approx(1.0)


def test_equal_scores_are_in_the_order_of_the_positions():
    assert list(fuse([[9, 3], [3, 9]])) == [3, 9]


def test_of_no_ranking_there_is_nothing():
    assert fuse([]) == {}
    assert fuse([[], []]) == {}
