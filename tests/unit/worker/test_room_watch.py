from __future__ import annotations

import pytest

from beluga_voice.worker.room_watch import gone


@pytest.mark.parametrize(
    ("sid", "there", "over"),
    [
        ("RM_1", {"r": "RM_1"}, False),
        ("RM_1", {}, True),
        ("RM_1", {"r": "RM_2"}, True),  # made anew under the same name: not the job's room
        ("", {}, False),
    ],
)
def test_whether_a_room_is_gone(sid: str, there: dict[str, str], over: bool) -> None:
    assert gone("r", sid, there) is over
