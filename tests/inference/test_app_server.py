"""The server of the page, and the guard in front of it."""

import importlib.util
import socket
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ser_brain.__main__ import main
from ser_brain.inference.app.web import PageGuard

pytest.importorskip("gradio", reason="gradio is not installed")
PATH = "/gradio_api/upload"
HERE = ("127.0.0.1", "localhost", "::1")


def asked(names=HERE, method="POST", **headers: str) -> int:
    app = Starlette(
        routes=[Route(PATH, lambda _: PlainTextResponse("taken"), methods=["GET", "POST"])]
    )
    page = PageGuard(app, names, Path("/uploads"))
    client = TestClient(page, base_url="http://127.0.0.1:7860")
    return client.request(method, PATH, headers=headers).status_code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),  # no browser leaves it out
        ({"Host": "localhost:7860", "Origin": "http://localhost:7860"}, 200),
        ({"Host": "[::1]:7860", "Origin": "http://[::1]:7860"}, 200),
        ({"Origin": "http://127.0.0.1:7860"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
    ],
)
def test_a_file_is_taken_from_the_page_alone(headers, status):
    assert asked(**headers) == status


def test_reading_under_another_name_is_refused_too():
    assert asked(method="GET", Host="evil.example") == 403
    assert asked(method="GET", Origin="http://evil.example") == 200  # the browser keeps it


def test_where_all_may_reach_the_page_its_name_is_not_known():
    assert asked((), Host="lab.example", Origin="http://lab.example") == 200
    assert asked((), Host="lab.example", Origin="http://evil.example") == 403


def error(capsys):
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "Traceback" not in said
    return said


def test_without_gradio_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["app", "model"]) == 2
    assert "pip install 'ser-recipes[app]'" in error(capsys)


@pytest.fixture
def gradio():
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("the page needs the extra 'app'")


def test_a_port_in_use(gradio, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["app", "model", "--port", str(port)]) == 2
    assert f"serve on 127.0.0.1, port {port}: Address already in use" in error(capsys)


def test_no_such_port(gradio, capsys):
    assert main(["app", "model", "--port", "99999"]) == 2
    assert "port 99999: " in error(capsys)


def test_no_address_of_this_machine(gradio, capsys):
    assert main(["app", "model", "--host", "192.0.2.1", "--port", "0"]) == 2
    assert "Cannot serve on 192.0.2.1, port 0: Cannot assign" in error(capsys)


def test_no_model(gradio, capsys):
    assert main(["app", "no model", "--port", "0"]) == 2
    assert "No model at 'no model'" in error(capsys)
