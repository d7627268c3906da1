"""Which refusals somebody looks for: the same words for lists, counts, files and replays."""

from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime, Field

from care.api.shapes import Asked, Line
from store.reading_query import END
from store.reject_query import Wanted

LOOK_BACK: Final = timedelta(days=7)


class Search(Asked):
    """What to look for. `text` is anywhere in product, node, place, value or reason."""

    node: str | None = Field(default=None, pattern=r"^[a-z0-9]{8,24}$")
    since: AwareDatetime | None = Field(default=None, description="from this instant on")
    until: AwareDatetime | None = Field(default=None, description="before this instant")
    code: str | None = Field(default=None, pattern=r"^[EW][0-9]{4}$", description="such as E3102")
    maker: Line | None = None
    model: Line | None = None
    firmware: Line | None = None
    text: str | None = Field(
        default=None, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$"
    )
    payload: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="this, letter by letter, anywhere in the message as it came",
    )

    def wanted(self, since: datetime) -> Wanted:
        """As the store asks; `since` is for a search that does not say."""
        return Wanted(
            since=self.since or since,
            until=self.until or END,
            code=self.code,
            text=self.text,
            node_id=self.node,
            maker=self.maker,
            model=self.model,
            firmware=self.firmware,
            payload=self.payload.encode("utf-8", "surrogatepass") if self.payload else None,
        )


class Filter(Search):
    """Which part of the list, and how it is told."""

    before: int = Field(default=2**63 - 1, ge=1, le=2**63 - 1, description="ids below this one")
    group: Literal["product"] | None = Field(default=None, description="tell them by product")
    limit: int = Field(default=100, ge=1, le=1000, description="at most so many")
