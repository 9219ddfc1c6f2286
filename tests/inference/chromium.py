"""A headless Chromium, driven through its debugging pipe: no package is needed for it."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",  # the browser's own; the page's requests are watched
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--remote-debugging-pipe",
)

PATIENCE_S = 120  # a busy machine; nothing waits longer than it must


def find():
    """Where a Chromium is, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page; ``requests`` holds the address of everything it has asked for."""

    def __init__(self, to_browser, from_browser):
        self._to, self._from = to_browser, from_browser
        self._received, self._count, self._session = b"", 0, None
        self.requests = []
        self.console = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Network", "Page", "Runtime", "DOM", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Call a method of the DevTools protocol and give its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def open(self, url, width=1200, height=1600):
        """Show an address in a window of some size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=url)

    def say(self, expression):
        """The value of a JavaScript expression, awaited."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
        return found["result"].get("value")

    def until(self, expression):
        """Wait until an expression is true, and give its value."""
        end = time.monotonic() + PATIENCE_S
        while not (value := self.say(expression)):
            if time.monotonic() > end:
                shown = self.say("document.body.innerText")
                raise TimeoutError(f"never true: {expression}; shown: {shown}; {self.console}")
            time.sleep(0.05)
        return value

    def choose(self, selector, path):
        """Choose a file in a file input, as a person would in its dialogue."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def _next(self):
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self._received:
            ready, *_ = select.select([self._from], [], [], max(0, end - time.monotonic()))
            block = os.read(self._from, 1 << 20) if ready else b""
            if not block:
                raise TimeoutError("Chromium does not answer")
            self._received += block
        message, _, self._received = self._received.partition(b"\0")
        answer = json.loads(message)
        match answer:
            case {"method": "Network.requestWillBeSent", "params": {"request": {"url": url}}}:
                self.requests.append(url)
            case {"method": "Network.webSocketCreated", "params": {"url": url}}:
                self.requests.append(url)
            case {"method": "Log.entryAdded", "params": {"entry": {"text": text}}}:
                self.console.append(text)
        return answer


@contextlib.contextmanager
def tab(profile, *flags):
    """A tab of a browser that ends with the block; ``profile`` is a folder for its files."""
    browser_reads, we_write = os.pipe()
    we_read, browser_writes = os.pipe()
    theirs = (browser_reads, browser_writes)

    def connect():  # Chromium reads from descriptor 3 and writes to 4
        come, go = map(os.dup, theirs)
        while min(come, go) < 5:
            come, go = os.dup(come), os.dup(go)
        os.dup2(come, 3)
        os.dup2(go, 4)

    process = subprocess.Popen(
        [find(), *FLAGS, *flags, f"--user-data-dir={profile}"],
        close_fds=False,
        preexec_fn=connect,
        stderr=subprocess.DEVNULL,
    )
    for end in theirs:
        os.close(end)
    try:
        yield Tab(we_write, we_read)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        os.close(we_write)
        os.close(we_read)
