import numpy as np

from tests.tools.fire.test_cuts import marked_street
from tests.tools.fire.training_folders import street
from tools.fire.marked import CLASSES, Marked
from tools.fire.samples import Sampler, Stock, crop_recipes, frame_recipes


def stock() -> Stock:
    clear = [Marked(street(seed), (), "other", f"street {seed}", "real", "somewhere") for seed in range(3)]
    return Stock([marked_street()], clear)


def test_what_the_stock_has_nothing_for_is_left_out() -> None:
    for recipes in (crop_recipes(stock()), frame_recipes(stock())):
        names = {recipe.name for recipe in recipes}
        assert not any("rendered" in name or "smoke" in name for name in names)
        assert {recipe.label for recipe in recipes} == {"flame", "other"}


def test_batches_have_the_shares_and_the_same_seed_draws_the_same() -> None:
    sampler = Sampler(crop_recipes(stock()))
    pictures, classes = sampler.batch(np.random.default_rng(2), 400)
    again, _ = sampler.batch(np.random.default_rng(2), 400)
    assert all((one == two).all() for one, two in zip(pictures, again, strict=True))
    flames = sum(count for name, count in sampler.expected(400).items() if name.startswith("flame"))
    assert abs(int((classes == CLASSES.index("flame")).sum()) - flames) < 50


def test_expected_counts_add_up() -> None:
    assert abs(sum(Sampler(frame_recipes(stock())).expected(10_000).values()) - 10_000) <= 5
