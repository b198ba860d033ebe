"""Rulesets in memory, ready to judge events. They never change under their number."""

from homeserver.protocol.push_evaluation import Ruleset
from homeserver.protocol.push_rules import PushRules
from homeserver.push.store.audience import DEFAULT, ruleset
from homeserver.storage.cache import ByteBudgetCache
from homeserver.storage.engine import Transaction

DEFAULT_RULESET = Ruleset()

# A compiled condition is a closure with a pattern or two.
_RULESET_BYTES = 20_000
_RULE_BYTES = 1_000


class Rulesets:
    """Used by the writer's thread alone."""

    def __init__(self, budget: int) -> None:
        """`budget` is in bytes."""
        self._compiled: ByteBudgetCache[int, Ruleset] = ByteBudgetCache(budget)

    def get(self, txn: Transaction, nid: int) -> Ruleset:
        """The ruleset of a number, which is in use."""
        if nid == DEFAULT:
            return DEFAULT_RULESET
        found = self._compiled.get(nid)
        if found is None:
            rules = ruleset(txn, nid)
            found = Ruleset(rules)
            self._compiled.put(nid, found, _size(rules))
        return found


def _size(rules: PushRules) -> int:
    own = sum(len(of_kind) for of_kind in rules.own.values())
    return _RULESET_BYTES + _RULE_BYTES * own
