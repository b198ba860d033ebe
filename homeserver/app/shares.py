"""How the one cache budget is shared out; together no more than the whole."""

HEADS = 0.2
TAILS = 0.2
MEMBERS = 0.12
UNREAD = 0.1
LAZY_MEMBERS = 0.07
PROFILES = 0.05
MEMBER_LISTS = 0.04
FILTERS = 0.05
REPLAYS = 0.05
PUBLISHED_KEYS = 0.03
KEYS = 0.02
RULESETS = 0.02
KEY_STOCK = 0.02
INBOXES = 0.02
ROUTES = 0.01
