"""What says that a result is none yet."""

import msgspec
import pytest

from vmcp_proxy.protocol.modern.input_required import is_input_required


@pytest.mark.parametrize(
    ("written", "is_none_yet"),
    [
        (b'"input_required"', True),
        (rb'"input_\u0072equired"', True),
        (rb'"\u0069nput_required"', True),
        (b'"complete"', False),
        (rb'"c\u006fmplete"', False),
        (b'"Input_Required"', False),
        (b"7", False),
    ],
)
def test_a_result_that_asks_is_known_however_its_type_is_written(written, is_none_yet):
    assert is_input_required(msgspec.Raw(written)) is is_none_yet


def test_a_result_without_a_type_is_complete():
    assert not is_input_required(msgspec.UNSET)
