import pytest
from pydantic import ValidationError

from edge.cameras.settings import FireSettings, IgnoredArea


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("picture_side_px", 64),
        ("analysed_fps", 2.0),
        ("analysed_fps", float("nan")),
        ("score_min", 0.0),
        ("still_score_min", 1.0),
        ("confirm_window_s", 0.1),
        ("confirm_share", 0.2),
        ("clear_after_s", 0.0),
        ("sensitivity", 3),
    ],
)
def test_a_setting_out_of_bounds_is_refused_by_name(key: str, value: float) -> None:
    with pytest.raises(ValidationError, match=key):
        FireSettings.model_validate({key: value})


def test_an_area_over_the_edge_is_refused() -> None:
    with pytest.raises(ValidationError, match="reaches over the picture's edge"):
        IgnoredArea(x=0.8, y=0.0, w=0.3, h=0.1)
