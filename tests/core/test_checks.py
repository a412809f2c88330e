"""The one check of numbers that users hand over."""

import pytest

from perftrace.core.checks import check_number, check_whole, is_number


@pytest.mark.parametrize("value", [True, None, "1", [], float("nan"), float("inf"), -float("inf"), 1j])
def test_what_is_no_finite_number_is_refused(value):
    assert not is_number(value)
    with pytest.raises(ValueError, match=r"^seconds must be a number of seconds above 0, not "):
        check_number("seconds", value, above=0, unit="seconds")
    with pytest.raises(ValueError, match=r"^port must be a whole number from 0 to 65535, not "):
        check_whole("port", value, least=0, most=65535)


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "wanted"),
    [
        ({"above": 0}, [0.1, 10**400], [0, -1], "above 0"),
        ({"above": 0, "most": 5}, [5], [0, 5.1], "above 0 and at most 5"),
        ({"least": 1}, [1, 1.5], [0.9], "from 1 on"),
        ({"least": 0, "most": 1}, [0, 1], [-0.1, 1.1], "from 0 to 1"),
        ({}, [-5], [], ""),
    ],
)
def test_a_number_is_in_its_range_or_the_message_says_which(bounds, inside, outside, wanted):
    for value in inside:
        assert check_number("x", value, **bounds) == value
    for value in outside:
        with pytest.raises(ValueError, match=f"^x must be a number {wanted}, not "):
            check_number("x", value, **bounds)


def test_a_wrong_type_may_be_a_type_error():
    with pytest.raises(TypeError, match="must be a number"):
        check_number("x", "1", wrong_type=TypeError)
    with pytest.raises(ValueError, match="not nan"):
        check_number("x", float("nan"), wrong_type=TypeError)
