"""Fetch a file of known size and hash over HTTPS into a directory, going on where it stopped.

Blocking; run it in a thread. Standard library only, imported when it is needed.
"""

import hashlib
import ssl
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple

_PIECE: Final = 65_536
_PATIENCE: Final = 30.0
_REPORT_EVERY: Final = 10  # percent


class DownloadError(Exception):
    """It cannot be had as announced. `final`: trying again changes nothing."""

    def __init__(self, why: str, *, final: bool = True) -> None:
        super().__init__(why)
        self.final = final


def fetch(
    url: str,
    target: Path,
    *,
    size: int,
    sha256: str,
    trust: ssl.SSLContext,
    progress: Callable[[int], None],
    stopped: Callable[[], bool],
) -> None:
    """Bring the file to `target`, checked; what came of an earlier try is kept and gone on with.

    `progress` hears every tenth percent, `stopped` ends it between two pieces. Raises
    DownloadError; whatever was wrong with the content, nothing is left behind.
    """
    if not url.lower().startswith("https://"):
        raise DownloadError("the address is not https")
    part = target.with_name(target.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    if have < size:
        sink = _Sink(part, size, progress, stopped)
        _bring(url, have, sink, trust)
    if _hash(part) != sha256:
        part.unlink()
        raise DownloadError("the hash differs from the one announced")
    part.replace(target)


class _Sink(NamedTuple):
    """Where the pieces go."""

    part: Path
    size: int
    progress: Callable[[int], None]
    stopped: Callable[[], bool]


def _bring(url: str, have: int, sink: _Sink, trust: ssl.SSLContext) -> None:
    from urllib.error import HTTPError, URLError  # noqa: PLC0415 - megabytes, needed seldom
    from urllib.request import Request  # noqa: PLC0415

    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        with _opener(trust).open(request, timeout=_PATIENCE) as answer:
            resumed = answer.status == HTTPStatus.PARTIAL_CONTENT
            _save(answer, have if resumed else 0, sink)
    except HTTPError as error:
        later = error.code >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise DownloadError(f"the server answers {error.code}", final=not later) from None
    except URLError as error:
        untrusted = isinstance(error.reason, ssl.SSLCertVerificationError)
        why = "the server's certificate is not trusted" if untrusted else "no connection"
        raise DownloadError(why, final=untrusted) from None
    except OSError as error:
        raise DownloadError(type(error).__name__, final=False) from None


def _opener(trust: ssl.SSLContext) -> Any:
    from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener  # noqa: PLC0415

    class OnlySecure(HTTPRedirectHandler):
        """Follows no redirect that leaves HTTPS."""

        def redirect_request(self, *args: Any) -> Any:
            if not str(args[-1]).lower().startswith("https://"):
                raise DownloadError("the server sends us to an address that is not https")
            return super().redirect_request(*args)

    return build_opener(HTTPSHandler(context=trust), OnlySecure())


def _save(answer: Any, have: int, sink: _Sink) -> None:
    said = have * 100 // sink.size // _REPORT_EVERY
    with sink.part.open("r+b" if have else "wb") as file:
        file.seek(have)
        while piece := answer.read(_PIECE):
            have += len(piece)
            if have > sink.size:
                sink.part.unlink()
                raise DownloadError("the file is larger than announced")
            file.write(piece)
            if sink.stopped():
                raise DownloadError("stopped", final=False)
            tenths = have * 100 // sink.size // _REPORT_EVERY
            if tenths > said:
                said = tenths
                sink.progress(tenths * _REPORT_EVERY)
    if have < sink.size:
        # A server that ends early is as good as a lost connection: more may come next time.
        raise DownloadError("the file ended early", final=False)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
