#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""An API server for a real kubectl, whose cluster is that of the stub beside it. api.py PORTFILE; pods, nodes and events, without exec."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("stub", os.path.join(HERE, "kubectl"))
stub = importlib.util.module_from_spec(importlib.util.spec_from_loader("stub", loader))
loader.exec_module(stub)

KINDS = {"pods": ("Pod", True, ["create", "delete", "get", "list"]), "nodes": ("Node", False, ["get", "list"]), "events": ("Event", True, ["list"])}
FIXED = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": name, "singularName": kind.lower(), "kind": kind, "namespaced": namespaced, "verbs": verbs}
        for name, (kind, namespaced, verbs) in KINDS.items()]},
    # Says that the server checks the fields of what is sent, so that kubectl asks it to and does not do so itself.
    "/openapi/v3": {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}},
    "/openapi/v3/api/v1": {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.32.0"}, "paths": {"/api/v1/namespaces/{namespace}/pods/{name}": {"patch": {
        "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}], "responses": {},
        "x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": "Pod"}}}}},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, value, code=200):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code, reason, message):
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}, code)

    def where(self):
        """Namespace, kind, name and query of a path."""
        parts = urlsplit(self.path)
        words = parts.path.strip("/").split("/")[2:]
        namespace = words[1] if words[:1] == ["namespaces"] and len(words) > 2 else None
        words = words[2:] if namespace else words
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        return namespace, words[0] if words else "", words[1] if len(words) > 1 else None, query

    def items(self, namespace, kind, query):
        if kind == "nodes":
            items = [{"metadata": {"name": n}, "status": {"nodeInfo": {"operatingSystem": v.get("os", "linux")}}}
                     for n, v in stub.cluster()["nodes"].items()]
        elif kind == "events":
            items = [{"metadata": {"name": "e%d" % i, "namespace": namespace}, **e} for i, e in enumerate(stub.events())]
        else:
            items = [p for p in stub.cluster()["pods"] + stub.made() if not namespace or p["metadata"]["namespace"] == namespace]
        return stub.selected(items, {"-l": query.get("labelSelector"), "--field-selector": query.get("fieldSelector", "")})

    def do_GET(self):
        fixed = FIXED.get(urlsplit(self.path).path)
        namespace, kind, name, query = self.where()
        if fixed or kind not in KINDS:
            return self.answer(fixed) if fixed else self.refuse(404, "NotFound", "there is no " + self.path)
        items = self.items(namespace, kind, query)
        one = {"apiVersion": "v1", "kind": KINDS[kind][0]}
        if not name:
            return self.answer({"apiVersion": "v1", "kind": one["kind"] + "List", "metadata": {}, "items": items})
        for item in items:
            if item["metadata"]["name"] == name:
                return self.answer({**one, **item})
        return self.refuse(404, "NotFound", '%s "%s" not found' % (kind, name))

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()

    def do_POST(self):
        text = self.body()
        with open(os.path.join(stub.STATE, "posted"), "a") as f:
            f.write(json.dumps({"path": self.path, "pod": json.loads(text)}) + "\n")
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                stub.create({"-f": "-"}, text)
        except SystemExit:
            return self.refuse(403, "Forbidden", "pods is forbidden: violates PodSecurity")
        return self.answer(json.loads(text), 201)

    def do_DELETE(self):
        options = json.loads(self.body() or "{}")
        _, kind, name, _ = self.where()
        if not os.path.exists(os.path.join(stub.MADE, name + ".json")):
            return self.refuse(404, "NotFound", '%s "%s" not found' % (kind, name))
        with contextlib.redirect_stdout(io.StringIO()):
            stub.delete([kind, name])
        return self.answer({"kind": "Status", "apiVersion": "v1", "status": "Success", "details": {"name": name, "kind": kind,
                            "grace": options.get("gracePeriodSeconds")}})


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".tmp", "w") as f:
    f.write("%d" % server.server_port)
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
server.serve_forever()
