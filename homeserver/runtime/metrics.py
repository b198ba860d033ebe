"""Every metric of the server, observed at dispatch, database, tasks and outbound requests only."""

from prometheus_client import Counter, Gauge, Histogram

REQUEST_SECONDS = Histogram(
    "folkmoot_request_seconds",
    "Time from the last byte of a request to its answer.",
    ["endpoint", "status"],
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60),
)
REQUESTS_IN_FLIGHT = Gauge("folkmoot_requests_in_flight", "Requests that wait for their answer.")
TRANSACTION_SECONDS = Histogram(
    "folkmoot_transaction_seconds",
    "Time of one database transaction, from its first statement to the end of its commit.",
    ["kind"],
    buckets=(0.0005, 0.002, 0.01, 0.05, 0.2, 1, 5),
)
GROUP_SIZE = Histogram(
    "folkmoot_group_commit_size",
    "Writes that shared one commit.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
TRANSACTION_RETRIES = Counter(
    "folkmoot_transaction_retries_total", "Transactions run again after a serialisation failure."
)
POSITION = Gauge("folkmoot_position", "The newest position of the stream that this process has seen.")
TASK_FAILURES = Counter("folkmoot_task_failures_total", "Failed runs of a background task.", ["task"])
EVENTS_ACCEPTED = Counter("folkmoot_events_accepted_total", "Events stored in a room's timeline.")
SYNC_WAITING = Gauge("folkmoot_sync_waiting", "Long polls that wait for something new.")
OUTBOUND_SECONDS = Histogram(
    "folkmoot_outbound_seconds",
    "Time from the beginning of a request to another server to the last byte of its answer.",
    ["purpose", "status"],
    buckets=(0.02, 0.1, 0.5, 2, 10, 60),
)
DESTINATIONS_BEHIND = Gauge(
    "folkmoot_destinations_behind", "Servers that lack something that they are to be sent."
)
DESTINATIONS_FAILING = Gauge(
    "folkmoot_destinations_failing", "Servers that did not take what they were sent last."
)
SERVICES_BEHIND = Gauge(
    "folkmoot_appservices_behind", "Application services that lack something that they are to be sent."
)
SERVICES_FAILING = Gauge(
    "folkmoot_appservices_failing", "Application services that did not take what they were sent last."
)
REFUSED_PDUS = Counter("folkmoot_refused_pdus_total", "Events that another server refused.")
PUSHES = Counter(
    "folkmoot_pushes_total",
    "Notifications that were brought to gateways, browsers and mailboxes, or not taken there.",
    ["kind", "outcome"],
)
PUSHERS_BEHIND = Gauge("folkmoot_pushers_behind", "Pushers that are being told something, or wait to be.")
PUSHERS_FAILING = Gauge(
    "folkmoot_pushers_failing", "Pushers whose other side did not take what it was told last."
)
