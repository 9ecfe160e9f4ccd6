import pytest
import yaml

from tests.operator.plan.golden import FOLDER, names, play


@pytest.mark.scenario("K-2", "K-12")
@pytest.mark.parametrize("name", names())
async def test_the_operator_makes_of_a_story_what_is_written_down(name):
    expected = (FOLDER / name / "expected.yaml").read_text()
    assert list(yaml.safe_load_all(await play(name))) == list(yaml.safe_load_all(expected))
