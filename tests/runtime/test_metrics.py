"""Every metric is declared once, in our own registry, and says what it counts."""

import tomllib
from pathlib import Path

from prometheus_client import REGISTRY, generate_latest

from router.runtime.metrics import Metrics


def test_two_routers_in_one_process_do_not_share_counts() -> None:
    one, two = Metrics(), Metrics()
    one.commits.inc()
    assert one.registry.get_sample_value("crossbook_store_commits_total") == 1
    assert two.registry.get_sample_value("crossbook_store_commits_total") == 0


def test_nothing_is_put_into_the_global_registry() -> None:
    Metrics()
    assert b"crossbook" not in generate_latest(REGISTRY)


def test_every_metric_is_ours_by_name_and_says_what_it_is() -> None:
    families = list(Metrics().registry.collect())
    assert len(families) >= 15
    for family in families:
        assert family.name.startswith("crossbook_")
        assert len(family.documentation) > 10
        if family.type == "histogram":
            assert family.name.endswith(("_seconds", "_records"))


def test_a_count_is_kept_by_its_labels() -> None:
    metrics = Metrics()
    metrics.orders.of("acme", "filled").inc()
    metrics.orders.of("acme", "unknown").inc()
    metrics.orders.of("acme", "filled").inc(2)
    sample = metrics.registry.get_sample_value
    assert sample("crossbook_orders_total", {"venue": "acme", "answer": "filled"}) == 3
    assert sample("crossbook_orders_total", {"venue": "acme", "answer": "unknown"}) == 1


def test_the_version_that_runs_is_the_one_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    labels = {"version": project["version"]}
    assert Metrics().registry.get_sample_value("crossbook_build_info", labels) == 1


def test_a_scrape_of_a_fresh_router_works() -> None:
    assert b"crossbook_invariant_violations" in generate_latest(Metrics().registry)
