"""Files that users share."""

from dataclasses import dataclass

from config.kinds import Size
from config.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Files that users share."""

    max_upload_size: Size = option(50 * 1024**2, "The largest file that is taken.", minimum=1)
