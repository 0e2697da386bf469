import pytest

from simulators.process import pairs


def test_values_are_json_where_they_parse():
    assert pairs(["a=1", "b=true", "c=text", "d=[1, 2]", "e=", "f=a=b"]) == {"a": 1, "b": True, "c": "text", "d": [1, 2], "e": "", "f": "a=b"}


def test_a_word_without_a_value_is_named():
    with pytest.raises(ValueError, match="lonely"):
        pairs(["a=1", "lonely"])
