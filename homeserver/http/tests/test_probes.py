"""What watchers of the server are told."""

from prometheus_client import REGISTRY
from twisted.internet.defer import Deferred

from homeserver.http.endpoint import Answer
from homeserver.http.probes import ProbeEndpoints
from homeserver.runtime.metrics import EVENTS_ACCEPTED


def test_health_is_plain_text() -> None:
    answers: list[Answer] = []
    Deferred.fromCoroutine(ProbeEndpoints().health()).addCallback(answers.append)
    (answer,) = answers
    assert (answer.status, answer.body) == (200, b"OK")
    assert dict(answer.headers)["Content-Type"].startswith("text/plain")


def test_metrics_are_those_of_now() -> None:
    answers: list[Answer] = []
    before = REGISTRY.get_sample_value("folkmoot_events_accepted_total") or 0.0
    EVENTS_ACCEPTED.inc()
    Deferred.fromCoroutine(ProbeEndpoints().metrics()).addCallback(answers.append)
    (answer,) = answers
    assert f"\nfolkmoot_events_accepted_total {before + 1}\n".encode() in answer.body
    assert "text/plain" in dict(answer.headers)["Content-Type"]
