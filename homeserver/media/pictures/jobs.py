"""What the server and the processes that make thumbnails say to each other."""

from typing import NamedTuple


class Job(NamedTuple):
    """What is wanted. `method` is `crop` or `scale`; sizes are in pixels."""

    width: int
    height: int
    method: str
    animated: bool


class Made(NamedTuple):
    """The media type of a thumbnail, and the size of the picture in pixels, as it is looked at."""

    content_type: str
    width: int
    height: int
