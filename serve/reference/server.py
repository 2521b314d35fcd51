"""`--serve peft`: the reference model behind the small part of the OpenAI API that the harness uses.

Run by `serve.local.process` as `python -m serve.reference.server --port N --spec JSON`; not meant for load.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from serve.errors import ServeError
from serve.reference.model import Generated, Reference
from serve.sources.resolve import resolve
from serve.spec import ServeSpec


class Handler(BaseHTTPRequestHandler):
    """Answers `/health`, `/version`, `/v1/models` and `/v1/chat/completions`."""

    reference: Reference
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The list of models, or that the server is up."""
        if self.path == "/health":
            self._reply(200, {})
        elif self.path == "/version":
            self._reply(200, {"version": f"peft {importlib.metadata.version('peft')}"})
        elif self.path == "/v1/models":
            base, *adapters = self.reference.models
            entries: list[dict[str, Any]] = [{"id": base, "object": "model", "parent": None}]
            entries += [{"id": name, "object": "model", "parent": base} for name in adapters]
            self._reply(200, {"object": "list", "data": entries})
        else:
            self._reply(404, {"error": {"message": f"nothing at {self.path}"}})

    def do_POST(self) -> None:
        """One chat completion, always greedy."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self.path != "/v1/chat/completions":
            return self._reply(404, {"error": {"message": f"nothing at {self.path}"}})
        if body.get("temperature", 0) != 0:
            return self._reply(400, {"error": {"message": "the PEFT reference only decodes greedily"}})
        try:
            answer = self.reference.generate(
                body["model"],
                body["messages"],
                max_tokens=int(body.get("max_tokens") or 256),
                schema=((body.get("response_format") or {}).get("json_schema") or {}).get("schema"),
                thinking=bool((body.get("chat_template_kwargs") or {}).get("enable_thinking")),
            )
        except ServeError as error:
            return self._reply(404, {"error": {"message": str(error)}})
        return self._reply(200, completion(body["model"], answer, logprobs=bool(body.get("logprobs"))))

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing per request: the log is for what goes wrong."""


def completion(model: str, answer: Generated, *, logprobs: bool) -> dict[str, Any]:
    """An answer in the OpenAI API's form, reasoning apart as vLLM sends it."""
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": answer.finish_reason,
        "message": {
            "role": "assistant",
            "content": answer.content or None,
            "reasoning": answer.reasoning or None,
        },
    }
    if logprobs:
        choice["logprobs"] = {
            "content": [
                {"top_logprobs": [{"token": token, "logprob": value} for token, value in top.items()]}
                for top in answer.top_logprobs
            ]
        }
    usage = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens}
    return {"object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


def main() -> None:
    """Load the model, then serve it until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m serve.reference.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--spec", required=True, help="a serve spec as JSON")
    args = parser.parse_args()
    Handler.reference = Reference(resolve(ServeSpec.model_validate_json(args.spec)))
    ThreadingHTTPServer((args.host, args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
