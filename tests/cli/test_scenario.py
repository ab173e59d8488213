"""Scenarios of the demo: data that the simulators take, and plain words where there is none."""

import pytest

from registry.model import OUTCOME_ID
from router.cli.scenario import LEVEL, NoScenario, everywhere, load, names
from venues import discover
from venues.base.units import cost, micros


@pytest.mark.parametrize("name", names())
def test_every_scenario_is_taken_by_its_venues(name: str) -> None:
    scenario = load(name, discover())
    assert scenario.about
    assert micros(scenario.amount) > 0
    assert scenario.predexon_id is None or OUTCOME_ID.fullmatch(scenario.predexon_id)
    for venue, scene in scenario.venues.items():
        simulator = discover()[venue].simulator(1)
        native = simulator.list_market({"title": scenario.question} | scene.market)[0]
        simulator.exchange.set_book(native, *scene.levels(), 0)
        assert simulator.exchange.levels(native) == scene.levels()


def test_a_scenario_names_the_venues_it_lacks() -> None:
    name = names()[0]
    with pytest.raises(NoScenario, match=f"demo: {name} needs the venues "):
        load(name, {})


@pytest.mark.parametrize("name", ["", "atlantis", "../scenarios/worked-example"])
def test_what_is_no_scenario_is_told_with_those_that_are(name: str) -> None:
    with pytest.raises(NoScenario, match="there are worked-example"):
        load(name, discover())


@pytest.mark.parametrize("count", range(2, 9))
def test_the_order_over_all_venues_needs_each_ones_best_level_and_no_second_one(count: int) -> None:
    scenario = everywhere([f"north{number}" for number in range(count)])
    best = [scene.levels()[1][0][0] for scene in scenario.venues.values()]
    whole = [cost(price, LEVEL) for price in best]
    amount = micros(scenario.amount)
    assert sum(whole) - max(whole) < amount <= sum(whole)
    seconds = [scene.levels()[1][1][0] for scene in scenario.venues.values()]
    assert min(seconds) > max(best)
    assert max(scene.levels()[0][0][0] for scene in scenario.venues.values()) < min(best)
