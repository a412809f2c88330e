"""The oldest versions that the extras allow are those that `make oldest` tests."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
OLDEST = {one.name: one for one in map(Requirement, PROJECT["dependency-groups"]["oldest"])}
INTEGRATIONS = ("httpx", "aiohttp", "aiogram", "apscheduler", "structlog", "taskiq", "redis", "telegram", "sqlalchemy")


@pytest.mark.parametrize("extra", INTEGRATIONS)
def test_the_lower_bound_of_an_extra_is_tested(extra):
    """As the only version there."""
    (requirement,) = map(Requirement, EXTRAS[extra])
    bound = next(one.version for one in requirement.specifier if one.operator == ">=")
    (pin,) = OLDEST[requirement.name].specifier
    assert pin.operator == "=="
    padded = pin.version.split(".")
    assert bound.split(".") == padded[: len(bound.split("."))]
    assert set(padded[len(bound.split(".")) :]) <= {"0"}
