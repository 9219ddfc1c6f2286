"""Of other pages nothing is taken."""

from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ser_brain.app.own_page import OwnPage

PATH = "/gradio_api/upload"
HERE = ("127.0.0.1", "localhost", "::1")


def asked(names=HERE, method="POST", **headers: str) -> int:
    app = Starlette(
        routes=[Route(PATH, lambda _: PlainTextResponse("taken"), methods=["GET", "POST"])]
    )
    page = OwnPage(app, names, Path("/uploads"))
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
