"""How long rooms keep their messages (MSC1763)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from config.kinds import Duration
from config.option import option, required

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeJob:
    """When which rooms lose their expired messages: those whose `max_lifetime` is between the two."""

    interval: Duration = required("How often.")
    shortest_max_lifetime: Duration | None = option(None, "Only rooms that keep their messages longer.")
    longest_max_lifetime: Duration | None = option(None, "Only rooms that keep them no longer.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Messages that are older than their room's `m.room.retention` says are shown to nobody, and then deleted."""

    enabled: bool = option(False, "Whether messages expire.", key="retention.enabled")
    default_min_lifetime: Duration | None = option(
        None,
        "How long rooms without a policy of their own keep messages at least.",
        key="retention.default_policy.min_lifetime",
    )
    default_max_lifetime: Duration | None = option(
        None,
        "How long rooms without a policy of their own keep messages; null is forever.",
        key="retention.default_policy.max_lifetime",
    )
    allowed_lifetime_min: Duration | None = option(
        None, "Whatever rooms say, they keep messages as long as this.", key="retention.allowed_lifetime_min"
    )
    allowed_lifetime_max: Duration | None = option(
        None, "Rooms whose policy says more keep them as long as this.", key="retention.allowed_lifetime_max"
    )
    purge_jobs: tuple[PurgeJob, ...] = option(
        (),
        "When expired messages are deleted; once a day unless it is said here.",
        key="retention.purge_jobs",
    )

    @property
    def jobs(self) -> tuple[PurgeJob, ...]:
        """What is to be done; nothing where messages do not expire."""
        if not self.enabled:
            return ()
        return self.purge_jobs or (PurgeJob(interval=_DAY),)

    def conflicts(self) -> Iterator[str]:
        for shorter, longer, names in (
            (self.default_min_lifetime, self.default_max_lifetime, "default_policy.{min,max}_lifetime"),
            (self.allowed_lifetime_min, self.allowed_lifetime_max, "allowed_lifetime_{min,max}"),
            *(
                (
                    job.shortest_max_lifetime,
                    job.longest_max_lifetime,
                    "purge_jobs.{shortest,longest}_max_lifetime",
                )
                for job in self.purge_jobs
            ),
        ):
            if shorter is not None and longer is not None and shorter > longer:
                yield f"retention.{names}: the first must not be longer than the second"
