"""The image service: takes a photo, makes the picture with Pillow, and calls back. It is traced like the bot.

    POST /pictures?job=ID&feature=NAME&callback=URL    body: the photo; answers 202, or what is wrong

Some jobs go wrong, always the same ones by the order in which they come: see `Faults`.
"""

import asyncio
import base64
import itertools
import multiprocessing
import signal
import sys
from concurrent.futures import ProcessPoolExecutor

import httpx
import uvicorn
from pictures import FEATURES, apply
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import perftrace
from perftrace.integrations.asgi import PerftraceMiddleware


class Faults:
    """What goes wrong, by the number of the job."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def next_job(self) -> int:
        """Count jobs."""
        return next(self._numbers)

    @staticmethod
    def fails(number: int) -> bool:
        """Answer 500."""
        return number % 11 == 5

    @staticmethod
    def hangs(number: int) -> bool:
        """Answer when nobody waits any more."""
        return number % 9 == 4

    @staticmethod
    def strange_calls(number: int, call: dict[str, str]) -> list[tuple[bytes | dict[str, str], dict[str, str]]]:
        """Call back with nonsense beside the right call: bodies, and headers."""
        calls: dict[int, list[tuple[bytes | dict[str, str], dict[str, str]]]] = {
            2: [(b'{"job": ', {})],
            7: [({"job": "nobody's"}, {})],
            11: [(call, {"traceparent": "00-not-a-trace-01"})],
            12: [(call, {})],
        }
        return calls.get(number % 13, [])


faults = Faults()
tasks: set[asyncio.Task[None]] = set()
workers = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


async def take(request: Request) -> Response:
    """Take a job; the picture is made after the answer."""
    job, feature, callback = (request.query_params.get(name, "") for name in ("job", "feature", "callback"))
    photo = await request.body()
    perftrace.annotate(feature=feature, bytes=len(photo))
    if feature not in FEATURES or not callback or not job:
        return JSONResponse({"error": f"job, callback and feature are needed; feature is one of {list(FEATURES)}"}, 400)
    number = faults.next_job()
    if faults.hangs(number):
        await asyncio.sleep(3)
    if faults.fails(number):
        return JSONResponse({"error": "out of paper"}, 500)
    task = asyncio.create_task(make_picture(number, job, feature, photo, callback))
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return JSONResponse({"accepted": job}, 202)


@perftrace.timed(operation="make_picture", capture=["feature"])
async def make_picture(number: int, job: str, feature: str, photo: bytes, callback: str) -> None:
    """Make a picture and hand it to the callback, in the trace of the bot that asked for it."""
    try:
        picture = await asyncio.get_running_loop().run_in_executor(workers, apply, feature, photo)
        perftrace.checkpoint("apply", bytes=len(picture))
        call = {"job": job, "picture": base64.b64encode(picture).decode()}
    except OSError as error:
        call = {"job": job, "error": str(error)}
    try:
        await call_back(number, callback, call)
    except httpx.HTTPError as error:
        handle = perftrace.current_operation()
        if handle is not None:
            handle.fail(f"nobody takes it: {type(error).__name__}")


async def call_back(number: int, callback: str, call: dict[str, str]) -> None:
    """Hand a picture over, and nonsense with it where it is the turn of that."""
    async with httpx.AsyncClient(timeout=10) as client:
        await client.post(callback, json=call)
        perftrace.checkpoint("call_back")
        for body, headers in faults.strange_calls(number, call):
            if isinstance(body, bytes):
                await client.post(callback, headers=headers, content=body)
            else:
                await client.post(callback, headers=headers, json=body)


def main() -> None:
    """Serve on the port of the first argument until the process is ended."""
    perftrace.instrument("httpx")
    app = Starlette(routes=[Route("/pictures", take, methods=["POST"])])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # uvicorn ends, and hands the signal on to this
    try:
        uvicorn.run(PerftraceMiddleware(app), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
    finally:
        workers.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
