"""The stub as a server on the loopback. It logs each request, so that a test can tell whether anything was written."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from . import rules

Json = dict[str, Any]
VERSION, TOKEN, PREFIX = "24.6.1", "a-token-of-the-stub", "/api/v2/"
TEMPLATES = ("projects", "inventory_sources", "job_templates", "workflow_job_templates", "workflow_approval_templates")
#: What belongs to an object and is changed by requests of its own
ASSOCIATIONS = {"credentials", "labels", "instance_groups", "success_nodes", "failure_nodes", "always_nodes"}
ASSOCIATIONS |= {f"notification_templates_{event}" for event in ("started", "success", "error", "approvals")}
#: The roles that an object of a kind has, for teams
ROLES = {
    "job_templates": ("execute", "read", "admin"),
    "workflow_job_templates": ("execute", "approval", "read", "admin"),
}
#: What AWX returns beside the fields that can be written
READ_ONLY: dict[str, Json] = {"projects": {"scm_revision": "0" * 40}, "credential_types": {"managed": False}}
PLAYBOOKS = [f"playbooks/{name}.yml" for name in ("audit", "site")]


class AnswerError(Exception):
    """Ends a request: the status and the body."""

    def __init__(self, status: int, body: Any = None) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


class Store:
    """The objects of AWX."""

    def __init__(self, playbooks: list[str] | None = None) -> None:
        self.objects: dict[str, dict[int, Json]] = {}
        self.related: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[int, Json] = {}
        self.playbooks = PLAYBOOKS if playbooks is None else playbooks
        self.requests: list[tuple[str, str]] = []
        self._ids = itertools.count(1)
        self._roles: dict[tuple[str, int, str], int] = {}
        self._teams: dict[int, list[int]] = {}

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [request for request in self.requests if request[0] != "GET"]

    def add(self, kind: str, identity: int = 0, /, **fields: Any) -> int:
        """Store an object as it is."""
        number = identity or next(number for number in self._ids if self._is_free(number))
        self.objects.setdefault(kind, {})[number] = {"id": number, **fields}
        return number

    def _is_free(self, number: int) -> bool:
        return all(number not in found for found in self.objects.values())

    # ---- what the rules ask

    def find(self, kind: str, identity: Any) -> Json | None:
        kinds = TEMPLATES if kind == "unified_job_templates" else (kind,)
        return next((found for one in kinds if (found := self.objects.get(one, {}).get(identity))), None)

    def survey_of(self, identity: int) -> list[Json]:
        return list(self.surveys.get(identity, {}).get("spec", []))

    def playbooks_of(self, project: int) -> list[str]:
        return self.playbooks if self.find("projects", project) else []

    # ---- requests

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Json) -> Any:
        parts = [unquote(part) for part in path.removeprefix(PREFIX).split("/") if part]
        if not parts:
            raise AnswerError(200, {})
        kind, *rest = parts
        if not rest:
            return self._list(kind, query) if method == "GET" else self._create(kind, body)
        number = int(rest[0])
        if kind == "roles":
            return self._grant(method, number, body)
        if not (found := self.find(kind, number)):
            raise AnswerError(404, {"detail": "Not found."})
        if len(rest) == 1:
            return self._one(method, kind, found, body)
        return self._part(method, kind, found, rest[1], body)

    def _list(self, kind: str, query: Mapping[str, str]) -> Json:
        kinds = TEMPLATES if kind == "unified_job_templates" else (kind,)
        found = [self._shown(one, item) for one in kinds for item in self.objects.get(one, {}).values()]
        asked = {name: value for name, value in query.items() if name not in ("page_size", "order_by")}
        found = [item for item in found if all(_same(item.get(name), value) for name, value in asked.items())]
        return {"count": len(found), "next": None, "results": found}

    def _create(self, kind: str, body: Json) -> Json:
        self._check(kind, body)
        if kind not in ("workflow_job_template_nodes", "schedules") and self._twins(kind, body):
            raise AnswerError(400, {"__all__": [f"{kind} with this name already exists."]})
        options = rules.OPTIONS[rules.RECORDED_AS.get(kind, kind)]["POST"]
        defaults = {name: field.get("default") for name, field in options.items()}
        # null is the default: an inventory that is sent the kind null has the kind ""
        given = {name: value for name, value in body.items() if name in options and value is not None}
        number = self.add(kind, **{**defaults, **given})
        raise AnswerError(201, self._shown(kind, self.objects[kind][number]))

    def _twins(self, kind: str, body: Json) -> list[Json]:
        same = ("name", "organization", "inventory") if kind == "inventory_sources" else ("name", "organization")
        items = self.objects.get(kind, {}).values()
        return [item for item in items if all(item.get(name) == body.get(name) for name in same)]

    def _check(self, kind: str, data: Json) -> None:
        if errors := rules.problems(kind, data, self):
            raise AnswerError(400, errors)

    def _one(self, method: str, kind: str, found: Json, body: Json) -> Any:
        if method == "PATCH":
            if kind in rules.OPTIONS:
                self._check(kind, {**found, **body})
            found.update({name: value for name, value in body.items() if name in found})
        elif method == "DELETE":
            del self.objects[kind][found["id"]]
            for numbers in self.related.values():
                if found["id"] in numbers:
                    numbers.remove(found["id"])
            raise AnswerError(204)
        return self._shown(kind, found)

    def _part(self, method: str, kind: str, found: Json, part: str, body: Json) -> Any:
        number = found["id"]
        if part == "survey_spec":
            if method == "POST":
                if error := rules.survey_error(body):
                    raise AnswerError(400, {"error": error})
                self.surveys[number] = body
                return {}
            return self.surveys.get(number, {})
        if part == "create_approval_template":
            template = self.add("workflow_approval_templates", **{"description": "", "timeout": 0, **body})
            found["unified_job_template"] = template
            raise AnswerError(
                201, self._shown("workflow_approval_templates", self.find("unified_job_templates", template) or {})
            )
        if part not in ASSOCIATIONS:
            raise AnswerError(404, {"detail": "Not found."})
        return self._associate(method, self.related.setdefault((kind, number, part), []), body)

    @staticmethod
    def _associate(method: str, numbers: list[int], body: Json) -> Json:
        if method == "GET":
            return {"count": len(numbers), "next": None, "results": [{"id": number} for number in numbers]}
        if body.get("disassociate"):
            numbers.remove(body["id"])
        else:
            numbers.append(body["id"])
        raise AnswerError(204)

    def _grant(self, method: str, role: int, body: Json) -> Json:
        return self._associate(method, self._teams.setdefault(role, []), body)

    def _shown(self, kind: str, item: Json) -> Json:
        url = f"{PREFIX}{kind}/{item['id']}/"
        roles = {
            f"{name}_role": {"id": self._roles.setdefault((kind, item["id"], name), 1000 + len(self._roles))}
            for name in ROLES.get(kind, ())
        }
        related = {"survey_spec": f"{url}survey_spec/"}
        if template := item.get("unified_job_template"):
            owner = next(one for one in TEMPLATES if template in self.objects.get(one, {}))
            related["unified_job_template"] = f"{PREFIX}{owner}/{template}/"
        extra = dict(READ_ONLY.get(kind, {}))
        # they are of the organization of what they use
        for one, owners, name in (
            ("job_templates", "projects", "project"),
            ("inventory_sources", "inventories", "inventory"),
        ):
            if kind == one:
                extra["organization"] = (self.find(owners, item.get(name)) or {}).get("organization")
        shown = {**item, **extra, "url": url, "type": kind.removesuffix("s"), "related": related}
        return {**_hidden(shown), "summary_fields": {"object_roles": roles}}


def _hidden(item: Json) -> Json:
    """AWX never returns a secret."""
    found = item.get("notification_configuration")
    if isinstance(found, dict) and found.get("password"):
        return {**item, "notification_configuration": {**found, "password": "$encrypted$"}}
    return item


def _same(value: Any, asked: str) -> bool:
    return str("" if value is None else value) == asked


class _Handler(BaseHTTPRequestHandler):
    store: Store
    protocol_version = "HTTP/1.1"
    # the head and the body in one packet: the client would acknowledge the first one 40 ms later
    wbufsize = 65536

    def log_message(self, *_arguments: Any) -> None:
        pass

    def _go(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        self.store.requests.append((self.command, parts.path))
        try:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise AnswerError(401, {"detail": "Authentication credentials were not provided."})
            raise AnswerError(
                200, self.store.answer(self.command, parts.path, dict(parse_qsl(parts.query)), json.loads(text or "{}"))
            )
        except AnswerError as answer:
            self._send(answer)

    def _send(self, answer: AnswerError) -> None:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "X-API-Product-Name": "AWX",
            "X-API-Product-Version": VERSION,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = _go  # noqa: N815


@contextmanager
def serve(store: Store) -> Iterator[str]:
    """The address of the stub, while it runs."""
    handler = type("Handler", (_Handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
