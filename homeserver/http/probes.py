"""What those ask who watch over the server. Which listener answers them is the operator's choice."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from homeserver.http.endpoint import Answer, Auth, Limit, endpoint


class ProbeEndpoints:
    """Health and metrics."""

    @endpoint("GET", "/health", auth=Auth.NONE, limit=Limit.NONE)
    async def health(self) -> Answer:
        """Whether the server answers at all."""
        return Answer(body=b"OK", headers=(("Content-Type", "text/plain; charset=utf-8"),))

    @endpoint("GET", "/metrics", "/_synapse/metrics", auth=Auth.NONE, limit=Limit.NONE)
    async def metrics(self) -> Answer:
        """Every metric, in the text format of Prometheus."""
        return Answer(body=generate_latest(), headers=(("Content-Type", CONTENT_TYPE_LATEST),))
