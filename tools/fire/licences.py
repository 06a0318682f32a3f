"""Which licences of a picture a product may learn from."""

import re

_ALLOWED = re.compile(
    r"(?i)\s*(mit|cc0|public[ -]domain|pd|cc[- ]by(?![- ]*(sa|nc|nd))|bsd|apache|isc|zlib|unlicense|own work)(?![a-z])"
)
_REFUSED = re.compile(r"(?i)none stated|unknown|research|non-?commercial|\b(nc|nd|sa|gpl|agpl|lgpl)\b")


def may_be_learned_from(licence: str) -> bool:
    """Whether `licence` begins with MIT, CC0, public domain, CC-BY, BSD, Apache or the like and takes nothing back.

    Share-alike, non-commercial, no-derivatives, GPL and anything that states no licence are refused.
    """
    return bool(_ALLOWED.match(licence)) and not _REFUSED.search(licence)
