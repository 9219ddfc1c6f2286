import importlib.util
import socket
import sys

import pytest

from ser_brain.__main__ import main


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
