"""The half of a stored event that clients do not see, in few bytes.

Nearly all of it are hashes and signatures in Base64, which takes a third more than the bytes it stands for. So they are
stored as bytes, behind a line of text with the rest:

    number of auth_events, number of prev_events, depth, then server name and key ID of each signature

Four characters of Base64 are three bytes, whatever they are; so what is filled up with "A" to a multiple of four comes
back exactly, odd last bits included. What has another form than nearly all events is stored as JSON, which begins with
a brace.
"""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence

from homeserver.protocol.json import JsonObject, JsonValue, decode_json, encode_json

# `str.translate` takes ten times as long.
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL_SAFE = bytes.maketrans(b"$-_", b"A+/")
_KEYS = {"auth_events", "depth", "hashes", "prev_events", "signatures"}
_LINE = re.compile(r"\d+ \d+ \d+( [!-~]+ [!-~]+)*")
# Event IDs since room version 4, without anything between them.
_EDGES = re.compile(r"(\$[A-Za-z0-9_-]{43})*")
_HASHES = re.compile(r"[A-Za-z0-9+/]*")
_EDGE, _HASH, _SIGNATURE = len("$") + 43, 43, 86
_BRACE = b"{"


def pack(half: JsonObject) -> bytes:
    return _packed(half) or encode_json(half)


def unpack(packed: bytes) -> JsonObject:
    """What was packed. Raises ValueError where it is damaged and that can be seen."""
    if packed.startswith(_BRACE):
        half: JsonObject = decode_json(packed)
        return half
    line, _, binary = packed.partition(b"\n")
    auth, prev, depth, *signers = line.decode().split(" ")
    run, end = b2a_base64(binary, newline=False), _EDGE * (int(auth) + int(prev))
    ids, hashes = run[:end].translate(_TO_URL_SAFE).decode(), run[end:].decode()
    edges = ["$" + ids[at + 1 : at + _EDGE] for at in range(0, len(ids), _EDGE)]
    signatures: dict[str, dict[str, str]] = {}
    at = _HASH + 1
    for server, key in zip(signers[::2], signers[1::2], strict=True):
        signatures.setdefault(server, {})[key] = hashes[at : at + _SIGNATURE]
        at += _SIGNATURE + 2
    return {
        "auth_events": edges[: int(auth)],
        "depth": int(depth),
        "hashes": {"sha256": hashes[:_HASH]},
        "prev_events": edges[int(auth) :],
        "signatures": signatures,
    }


def unpack_json(packed: bytes) -> bytes:
    """The same as JSON."""
    return packed if packed.startswith(_BRACE) else encode_json(unpack(packed))


def _packed(half: JsonObject) -> bytes | None:
    """None for what has to be JSON."""
    if half.keys() != _KEYS or half["hashes"].keys() != {"sha256"}:
        return None
    auth, prev = half["auth_events"], half["prev_events"]
    edges = _run_of_edges([*auth, *prev])
    hashes = _run_of_hashes(half["hashes"]["sha256"], half["signatures"])
    signers = [f" {server} {key}" for server, keys in half["signatures"].items() for key in keys]
    line = f"{len(auth)} {len(prev)} {half['depth']}" + "".join(signers)
    if edges is None or hashes is None or _LINE.fullmatch(line) is None:
        return None
    run = edges.encode().translate(_FROM_URL_SAFE) + hashes.encode()
    return line.encode() + b"\n" + a2b_base64(run)


def _run_of_edges(edges: Sequence[JsonValue]) -> str | None:
    """Event IDs of 44 characters each."""
    # In room versions 1 and 2 each is a list.
    if not all(type(edge) is str for edge in edges):
        return None
    run = "".join(edges)
    if len(run) != _EDGE * len(edges) or _EDGES.fullmatch(run) is None:
        return None
    return run


def _run_of_hashes(content_hash: str, signatures: Mapping[str, Mapping[str, str]]) -> str | None:
    """Standard Base64 of which the hash fills 44 characters and each signature 88."""
    runs = [content_hash + "A"]
    for keys in signatures.values():
        if not keys or any(len(signature) != _SIGNATURE for signature in keys.values()):
            return None
        runs += [signature + "AA" for signature in keys.values()]
    run = "".join(runs)
    if len(content_hash) != _HASH or _HASHES.fullmatch(run) is None:
        return None
    return run
