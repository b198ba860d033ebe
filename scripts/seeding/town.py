"""Who lives in the demo town, where they meet, and what they talk about."""

PEOPLE = (
    "Ada", "Alfred", "Agnes", "Bede", "Beatrice", "Bruno", "Cecily", "Conrad", "Clara", "Dunstan", "Dora",
    "Edgar", "Edith", "Edmund", "Elsa", "Fergus", "Flora", "Gareth", "Greta", "Harold", "Hilda", "Hugo",
    "Ida", "Igor", "Iris", "Jasper", "Judith", "Kenelm", "Klara", "Leofric", "Lena", "Mabel", "Magnus",
    "Maud", "Ned", "Nora", "Odo", "Olga", "Osric", "Petra", "Quentin", "Rhoda", "Rolf", "Sabine", "Sven",
    "Tilda", "Ulric", "Viola", "Wulfric", "Yrsa",
)  # fmt: skip
TRADES = (
    "baker", "miller", "ferrywoman", "smith", "weaver", "cooper", "beekeeper", "mason", "tanner", "reeve",
    "glazier", "potter", "thatcher", "chandler", "scribe", "fletcher", "brewer",
)  # fmt: skip

PUBLIC_ROOMS = (
    ("town-square", "Town Square", "Where everybody meets"),
    ("market-day", "Market Day", "Who sells what, and for how much"),
    ("harbour", "The Harbour", "Boats, tides and the price of herring"),
    ("library", "The Library", "Quiet, please"),
)
PRIVATE_ROOMS = (
    ("Guild of Bakers", "Flour, ovens and the early morning"),
    ("Night Watch", "Who walks when"),
    ("Town Council", "Minutes are taken"),
)
SPACE = ("moot-town", "Moot Town", "All the rooms of the town")

SENTENCES = (
    "Has anybody seen the {thing}? It was at the {place} {time}.",
    "The {thing} will be ready {time}.",
    "I left my {thing} at the {place}, could someone bring it along?",
    "Good news: the {place} is open again {time}.",
    "We need a new {thing} for the {place}.",
    "Who comes to the {place} {time}?",
    "The {place} was full of people {time}!",
    "What do you want for your {thing}?",
    "It is said that the {thing} of the {place} is older than the town.",
    "Somebody has painted the {thing} at the {place} green.",
)
WORDS = {
    "thing": (
        "ladder",
        "barrel",
        "lantern",
        "cheese",
        "rope",
        "bell",
        "bridge",
        "map",
        "loom",
        "honey",
        "boat",
    ),
    "place": ("mill", "bridge", "market", "well", "bakery", "north gate", "harbour", "guildhall", "ferry"),
    "time": ("today", "tomorrow", "at noon", "before dawn", "on market day", "after the rain", "last night"),
}
REPLIES = (
    "Yes, I think so.",
    "Not before the bridge is mended.",
    "Ask at the mill.",
    "I would like that.",
    "That is what my grandmother always said.",
    "Are you sure?",
    "Count me in!",
    "Only if you bring the bread.",
)
AFTERTHOUGHT = " (At least I think so.)"
REACTIONS = ("👍", "❤️", "😄", "🎉", "🐟", "👀")
