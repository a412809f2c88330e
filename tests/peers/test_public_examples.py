"""Programs that nobody here wrote: examples in the frameworks' own source distributions, instrumented by the docs."""

import asyncio
import importlib
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from perftrace.integrations.asgi import PerftraceMiddleware
from perftrace.testing import capture
from tests.integrations.bot_api import BOT, click, message

RUN = Path(__file__).with_name("run_example.py")
COMMAND = [{"type": "bot_command", "offset": 0, "length": 1}]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Give the folder of a framework's source distribution, of the version that is installed."""
    found = {}

    def unpack(project):
        if project not in found:
            folder = tmp_path_factory.mktemp("sdist")
            version = importlib.metadata.version(project)
            pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder]
            subprocess.run([*pip, f"{project}=={version}"], check=True, timeout=300)
            (archive,) = folder.glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
            (found[project],) = (one for one in folder.iterdir() if one.is_dir())
        return found[project]

    return unpack


@pytest.fixture
def telegram_of():
    """Serve a stand-in for Telegram's servers that hands out an update at a time; gives its port."""
    servers = []

    def start(texts):
        waiting = [update(number, text) for number, text in enumerate(texts, 1)]

        async def method(request):
            await request.body()
            name = request.path_params["method"].lower()
            if name == "getupdates":
                given = [waiting.pop(0)] if waiting else []
                return JSONResponse({"ok": True, "result": given})
            if name == "getme":
                return JSONResponse({"ok": True, "result": BOT})
            is_message = name.startswith(("send", "edit", "copy"))
            return JSONResponse({"ok": True, "result": message(1, "sent")["message"] if is_message else True})

        app = Starlette(routes=[Route("/bot{token}/{method}", method, methods=["GET", "POST"])])
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        servers.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return server.servers[0].sockets[0].getsockname()[1]

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join(10)


def update(number, text):
    if text.startswith("!"):
        clicked = click(number)
        clicked["callback_query"] |= {"data": text[1:], "message": message(number, "x")["message"]}
        return clicked
    length = len(text.split()[0])
    entities = {"entities": [{**COMMAND[0], "length": length}]} if text.startswith("/") else {}
    return message(number, text, **entities)


def run(script, names, port=0, seconds=5):
    environment = {**os.environ, "TELEGRAM_TOKEN": "42:TEST", "BOT_TOKEN": "42:TEST"}
    command = [sys.executable, RUN, names, str(seconds), str(port), script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.strip().split("\n")[-1])
    assert answer["unread"] == 0
    assert not [record for record in answer["records"] if record["parent"] == "?"]
    return answer["records"]


BOTS = [
    ("aiogram", "echo_bot.py", ["/start", "hello"], ["command_start_handler", "echo_handler"]),
    ("aiogram", "finite_state_machine.py", ["/start", "Ann", "Yes"],
     ["command_start", "process_name", "process_like_write_bots"]),
    ("aiogram", "quiz_scene.py", ["/quiz", "Python"], ["QuizScene.enter", "QuizScene.answer"]),
    ("aiogram", "error_handling.py", ["/name"], ["handle_set_name"]),
    ("aiogram", "multi_file_bot/bot.py", ["/start"], ["command_start_handler"]),
    ("python-telegram-bot", "echobot.py", ["/start", "hello"], ["start", "echo"]),
    ("python-telegram-bot", "conversationbot.py", ["/start", "Boy", "/skip"], ["start", "gender", "skip_photo"]),
    ("python-telegram-bot", "inlinekeyboard.py", ["/start", "!1"], ["start", "button"]),
    ("python-telegram-bot", "timerbot.py", ["/set 1"], ["set_timer", "alarm"]),
    ("python-telegram-bot", "errorhandlerbot.py", ["/bad_command"], ["bad_command"]),
]  # fmt: skip


@pytest.mark.parametrize(("project", "script", "texts", "handlers"), BOTS, ids=[bot[1] for bot in BOTS])
def test_handlers_of_public_bots_have_their_names_and_their_calls(
    unpacked, telegram_of, project, script, texts, handlers
):
    """Each update is a trace; each call of the API, and the request below it, belongs to its handler."""
    names = "aiogram,aiohttp" if project == "aiogram" else "telegram,httpx,apscheduler"
    records = run(unpacked(project) / "examples" / script, names, telegram_of(texts))
    found = [record for record in records if record["segments"][:2] == ["queue", "dispatch"] or record["link"]]
    assert [record["name"] for record in found] == handlers
    assert {record["parent"] for record in found} == {None}
    at_start = {"telegram.GetMe", "telegram.getMe", "telegram.deleteWebhook"}
    calls = [one for one in records if one["name"].startswith("telegram.") and one["name"] not in at_start]
    assert {one["parent"] for one in calls} <= set(handlers)
    requests = [record for record in records if record["name"].startswith(("POST ", "GET "))]
    assert {request["parent"][:9] for request in requests} == {"telegram."}
    if script == "timerbot.py":
        assert [record["link"] for record in found] == [None, "set_timer"]
    if script in ("errorhandlerbot.py", "error_handling.py"):
        assert [record["outcome"] for record in found] == ["error"]


def test_jobs_of_apschedulers_examples(unpacked):
    """In a loop, in a thread."""
    for script in ("asyncio_.py", "background.py"):
        records = run(unpacked("apscheduler") / "examples" / "schedulers" / script, "apscheduler", seconds=4)
        assert [(record["name"], record["parent"]) for record in records] == [("tick", None)]


def test_a_client_of_aiohttps_examples(unpacked):
    """Against the servers that it starts itself."""
    records = run(unpacked("aiohttp") / "examples" / "logging_middleware.py", "aiohttp", seconds=10)
    assert {record["name"] for record in records} == {"GET localhost", "POST localhost"}
    assert all(record["segments"][0] == "pool" for record in records)


def asked(app, method, url):
    """Ask an application; return what was traced."""

    async def ask():
        transport = httpx.ASGITransport(PerftraceMiddleware(app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=10) as client:
            await client.request(method, url)

    with capture() as records:
        asyncio.run(ask())
    return records


@pytest.mark.filterwarnings("ignore")
def test_every_route_of_fastapis_tutorial_has_its_name(unpacked, monkeypatch, tmp_path):
    """As the application's own schema has it; and the answers are those without."""
    root = unpacked("fastapi")
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")  # an example prints its spans
    wrong, count = [], 0
    for file in sorted((root / "docs_src").rglob("*.py")):
        try:
            app = importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts)).app
            paths = app.openapi()["paths"]
        except Exception:  # what needs more than is installed here, or is a part of an example
            continue
        for path, methods in paths.items():
            for method in {"get", "post", "put", "patch", "delete"} & methods.keys():
                records = asked(app, method, re.sub(r"\{[^}]+\}", "1", path))
                count += 1
                name = re.sub(r":\w+\}", "}", records[0].name) if records else ""
                if name != f"{method.upper()} {path}":
                    wrong.append((file.name, method, path, name))
    assert wrong == []
    assert count > 250
