"""The nouns: frozen, and named by what they are."""

from __future__ import annotations

import dataclasses

import pytest

from offcloud_watchd.core.effects import Act, Adopt, Submit
from offcloud_watchd.core.model import Lane, job_id
from tests.fakes.jobs import a_job


def test_job_ids_are_made_from_drop_and_key() -> None:
    """Equal input gives an equal id, different input a different one, and no two fields run together."""
    assert job_id("d1", "one") == job_id("d1", "one")
    assert len({job_id("d1", "one"), job_id("d2", "one"), job_id("d1", "two"), job_id("d1o", "ne")}) == 4
    assert job_id("name \udcff", "one").isalnum()


@pytest.mark.parametrize("act", [Submit, Adopt])
def test_acts_name_their_lane(act: type[Act]) -> None:
    """An act says which workers carry it out."""
    assert act(a_job()).lane is Lane.API


def test_a_job_cannot_be_changed() -> None:
    """Only events change a job."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        a_job().attempts = 5  # type: ignore[misc] # that is the test
