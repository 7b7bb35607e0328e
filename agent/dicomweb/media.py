"""Media types: what the peer accepts (RFC 9110 12.5.1, PS3.18 8.3.3 and 8.7.5), in the order in which it wants it."""

from dataclasses import dataclass
from typing import Final

from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from agent.dicomweb.problems import ProblemError

ANY: Final = "*/*"
RELATED: Final = "multipart/related"
_MAX_ACCEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class Accepted:
    """One media range: its name, what `type` of a multipart says, its transfer syntax; "" where it does not say."""

    name: str
    part: str
    transfer_syntax: str
    quality: float

    def covers(self, media_type: str) -> bool:
        """Tell whether a media type is within the range, as a body of its own."""
        return _covers(self.name, media_type)

    def covers_part(self, media_type: str) -> bool:
        """Tell whether a multipart body of that media type is within the range."""
        if self.name == ANY:
            return True
        return self.name in (RELATED, "multipart/*") and (not self.part or _covers(self.part, media_type))


def _covers(media_range: str, media_type: str) -> bool:
    return media_range in (ANY, media_type, f"{media_type.partition('/')[0]}/*")


def accepted(request: Request) -> list[Accepted]:
    """Return what the peer accepts, the most wanted first; everything where it does not say.

    The query parameter `accept` counts before the header, as the standard has it for browsers (PS3.18 8.3.3.1).
    """
    text = request.query_params.get("accept") or ", ".join(request.headers.getlist("accept"))
    ranges = [_range(one) for one in _split(text[:_MAX_ACCEPT]) if one.strip()]
    wanted = [one for one in ranges if one.quality > 0] or ([] if ranges else [Accepted(ANY, "", "", 1.0)])
    return sorted(wanted, key=lambda one: -one.quality)


def accepts(request: Request, media_type: str) -> None:
    """Raise ProblemError, 406, unless the peer accepts a media type."""
    if not any(one.covers(media_type) for one in accepted(request)):
        raise ProblemError(406, f"expected to be asked for {media_type}. Received: another media type")


def _split(text: str) -> list[str]:
    """Split at commas that do not stand in quotes."""
    found, quoted = [""], False
    for letter in text:
        quoted ^= letter == '"'
        if letter == "," and not quoted:
            found.append("")
        else:
            found[-1] += letter
    return found


def _range(text: str) -> Accepted:
    name, options = parse_options_header(text)
    said = {key.decode("latin-1").lower(): value.decode("latin-1").strip() for key, value in options.items()}
    try:
        quality = float(said.get("q", "1"))
    except ValueError:
        quality = 0.0
    if not 0 <= quality <= 1:
        quality = 0.0
    return Accepted(name.decode("latin-1"), said.get("type", "").lower(), said.get("transfer-syntax", ""), quality)
