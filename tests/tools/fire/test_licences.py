import pytest

from tools.fire.licences import may_be_learned_from


@pytest.mark.parametrize(
    "licence",
    [
        "MIT (OlafenwaMoses/FireNET repo licence; images are web-collected)",
        "CC0",
        "CC0-1.0",
        "Public Domain (NASA)",
        "CC-BY 2.0",
        "CC BY 4.0",
        "BSD-3-Clause",
        "Apache-2.0",
    ],
)
def test_what_a_product_may_learn_from(licence: str) -> None:
    assert may_be_learned_from(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "none stated (cair/Fire-Detection-Image-Dataset; web-collected, academic)",
        "CC-BY-SA 4.0",
        "CC BY-SA",
        "CC-BY-NC 2.0",
        "CC BY-ND",
        "GPL-3.0",
        "MIT or unknown",
        "research use only",
        "MITigated",
    ],
)
def test_what_it_may_not(licence: str) -> None:
    assert not may_be_learned_from(licence)
