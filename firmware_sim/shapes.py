"""How full a lot is and how busy an entrance, by the time of day: figures taken over from two public data sets.

Cars: mean occupied share of 30 car parks, October to December 2016, "Parking Birmingham" (UCI), (c) Birmingham City
Council and NCP, used under the UK Open Government Licence v3.0.
People: mean hourly counts of the sensor at Queen Victoria Market, 2015 and 2016, as shares of the busiest hour; City of
Melbourne open data (pedestrian counting system).
`python -m firmware_sim.derive_shapes` derives both tables again; a test compares them.

Assumed, for want of data: a lot keeps `NIGHT_SHARE` of its bays occupied from 22:00 to 05:00, with straight lines to
what was measured between 08:00 and 16:30.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

LOCAL_OFFSET_S = 9 * 3600
"""Korea's clock is nine hours ahead of UTC all year."""

CARS: Mapping[str, Sequence[float]] = {
    "weekday": (0.233, 0.293, 0.369, 0.428, 0.492, 0.538, 0.578, 0.603, 0.626, 0.638, 0.646, 0.646, 0.643, 0.628, 0.604,
                0.573, 0.537, 0.489),
    "weekend": (0.166, 0.172, 0.196, 0.221, 0.257, 0.295, 0.343, 0.385, 0.428, 0.459, 0.49, 0.51, 0.53, 0.54, 0.54,
                0.532, 0.512, 0.478),
}  # fmt: skip
"""Occupied share of capacity at each half hour from 08:00 to 16:30."""

PEOPLE: Mapping[str, Sequence[float]] = {
    "weekday": (0.065, 0.043, 0.028, 0.02, 0.017, 0.034, 0.075, 0.155, 0.307, 0.351, 0.427, 0.53, 0.826, 0.799, 0.547,
                0.441, 0.392, 0.411, 0.376, 0.328, 0.283, 0.226, 0.159, 0.109),
    "weekend": (0.122, 0.101, 0.077, 0.068, 0.051, 0.043, 0.069, 0.125, 0.228, 0.417, 0.646, 0.835, 0.963, 1.0, 0.909,
                0.724, 0.447, 0.297, 0.258, 0.24, 0.208, 0.174, 0.146, 0.122),
}  # fmt: skip
"""People an hour, as a share of the busiest hour's, for the hours 0 to 23."""

NIGHT_SHARE = 0.06
NIGHT_BEGINS_H, NIGHT_ENDS_H = 22.0, 5.0
_FIRST_H, _SLOT_H = 8.0, 0.5

_DAY_S = 86_400
_THURSDAY = 3  # 1970-01-01
_SATURDAY = 5


def car_share(unix_ms: int) -> float:
    """The share of a lot's bays that is occupied on average at that time, 0..1."""
    day, hour = _local(unix_ms)
    measured = [(_FIRST_H + slot * _SLOT_H, share) for slot, share in enumerate(CARS[day])]
    points = [(0.0, NIGHT_SHARE), (NIGHT_ENDS_H, NIGHT_SHARE), *measured, (NIGHT_BEGINS_H, NIGHT_SHARE)]
    for (before_h, before), (after_h, after) in pairwise([*points, (24.0, NIGHT_SHARE)]):
        if hour <= after_h:
            return before + (after - before) * (hour - before_h) / (after_h - before_h)
    return NIGHT_SHARE


def people_share(unix_ms: int) -> float:
    """How busy an entrance is at that time, as a share of its busiest hour, 0..1."""
    day, hour = _local(unix_ms)
    return PEOPLE[day][int(hour)]


def _local(unix_ms: int) -> tuple[str, float]:
    """`weekday` or `weekend`, and the hour of the day, in Korea."""
    local_s = unix_ms / 1000 + LOCAL_OFFSET_S
    days, second = divmod(local_s, _DAY_S)
    weekend = (int(days) + _THURSDAY) % 7 >= _SATURDAY
    return ("weekend" if weekend else "weekday"), second / 3600
