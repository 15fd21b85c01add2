"""Downloads through the real huggingface_hub from a Hub that runs on this machine's loopback address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

SHA = "89abcdef0123456789abcdef0123456789abcdef"
REFUSALS = {  # a gated model's facts are public, its files are not
    "/artist/secret/": (403, "GatedRepo"),
    "/api/models/artist/nobody": (401, "RepoNotFound"),
    "/api/models/artist/tiny/revision/v9": (404, "RevisionNotFound"),
}


class Hub(BaseHTTPRequestHandler):
    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(path)
        refusal = next((each for prefix, each in REFUSALS.items() if path.startswith(prefix)), None)
        if refusal:
            return self._send(refusal[0], b"", body, {"X-Error-Code": refusal[1]})
        if path.startswith("/api/models/artist/"):
            files = self._lora() if "/lora" in path else self._tree()
            facts = files if path.endswith(f"/tree/{SHA}") else {"id": "artist/tiny", "sha": SHA}
            return self._send(200, json.dumps(facts).encode(), body, {"Content-Type": "application/json"})
        name = path.removeprefix("/artist/tiny/resolve/").partition("/")[2]
        content = (self.folder / name).read_bytes()
        return self._send(200, content, body, {"X-Repo-Commit": SHA, "ETag": f'"{name.replace("/", "-")}"'})

    def _lora(self) -> list[dict[str, object]]:
        return [{"type": "file", "oid": "0" * 40, "path": "lora.safetensors", "size": 9}]

    def _tree(self) -> list[dict[str, object]]:
        files = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        entries = [{"path": str(path.relative_to(self.folder)), "size": path.stat().st_size} for path in files]
        entries += [{"path": "tiny.ckpt", "size": 9}, {"path": "unet/diffusion_pytorch_model.bin", "size": 9}]
        return [{"type": "file", "oid": "0" * 40, **entry} for entry in entries]

    def _send(self, status: int, content: bytes, body: bool, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub(tiny_sd: Path) -> Iterator[ThreadingHTTPServer]:
    Hub.folder, Hub.asked = tiny_sd, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(hub: ThreadingHTTPServer | None, cache: Path, *arguments: str | None) -> str:
    """What ``find_model`` answers in a fresh process: its path, or kind and sentence of its error."""
    code = (
        "import sys, json\n"
        "from lorabooth.errors import LoraboothError\n"
        "from lorabooth.families.source import find_model\n"
        "try: print(find_model(*json.loads(sys.argv[1])).path)\n"
        "except LoraboothError as error: print(type(error).__name__, error)\n"
    )
    port = hub.server_address[1] if hub else 9  # nobody listens at 9
    settings = {"HF_HUB_CACHE": str(cache), "HF_ENDPOINT": f"http://127.0.0.1:{port}", "NO_PROXY": "127.0.0.1"}
    settings |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    result = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_download_brings_what_is_needed_and_no_pickles(hub: ThreadingHTTPServer, tiny_sd: Path, tmp_path: Path) -> None:
    folder = Path(ask(hub, tmp_path, "artist/tiny").strip())
    assert folder.name == SHA
    assert {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} == {
        path.relative_to(tiny_sd) for path in tiny_sd.rglob("*") if path.is_file()
    }
    assert not any(path.endswith((".bin", ".ckpt")) for path in Hub.asked)
    assert ask(None, tmp_path, "artist/tiny").strip() == str(folder)  # the network is gone, the cache is there


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("artist/secret",), "InputError artist/secret is gated"),
        (("artist/nobody",), "InputError There is no model artist/nobody"),
        (("artist/tiny", "v9"), "InputError artist/tiny has no revision `v9`"),
        (("artist/lora",), "InputError artist/lora is no diffusers model"),
        (
            ("artist/tiny", None, "fp16"),
            "InputError artist/tiny has no weights of the vae in the variant `fp16`; it has",
        ),
    ],
)
def test_refusals(hub: ThreadingHTTPServer, tmp_path: Path, arguments: tuple[str | None, ...], sentence: str) -> None:
    assert ask(hub, tmp_path, *arguments).startswith(sentence)


def test_no_network(tmp_path: Path) -> None:
    said = ask(None, tmp_path, "artist/tiny")
    assert said.startswith("MachineError artist/tiny is not in the Hub cache, and the Hub can't be reached.")
