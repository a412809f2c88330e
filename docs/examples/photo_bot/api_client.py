"""Asks the image service for a picture."""

from typing import Any

import aiohttp
from pictures import opened, saved

from perftrace import checkpoint, timed

TIMEOUT = 1.0
"""Seconds that the service has to take a job."""


class StudioError(Exception):
    """The image service did not take the job."""


class StudioClient:
    """Speaks to the image service over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, url: str, callback: str) -> None:
        self._session = session
        self._url = url
        self._callback = callback

    @timed(operation="call_studio", key="job", capture=["feature"])
    async def order(self, job: str, feature: str, photo: bytes) -> None:
        """Order a picture, which comes by the callback; raises StudioError with the reason."""
        # Planted: the photo is a JPEG already, and this holds the event loop while it makes a PNG of it.
        body = saved(opened(photo), "PNG", compress_level=9)
        checkpoint("build", bytes=len(body))
        order = {"job": job, "feature": feature, "callback": self._callback}
        try:
            async with self._session.post(
                f"{self._url}/pictures", params=order, data=body, timeout=aiohttp.ClientTimeout(TIMEOUT)
            ) as response:
                checkpoint("send", status=response.status)
                text = await response.text()
                checkpoint("receive", bytes=len(text))
                answer: dict[str, Any] = await response.json()
                checkpoint("parse")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StudioError(f"no answer: {type(error).__name__}") from error
        if "accepted" not in answer:
            raise StudioError(f"{response.status}: {answer.get('error', 'no reason')}")
