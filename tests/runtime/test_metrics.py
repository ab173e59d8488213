"""Every metric is declared once, in our own registry, and says what it counts."""

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


def test_a_scrape_of_a_fresh_router_works() -> None:
    assert b"crossbook_invariant_violations" in generate_latest(Metrics().registry)
