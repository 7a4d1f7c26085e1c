"""A small feed of short posts, all of it made up in memory: the backend of the tracing lesson."""
import os

from flask import Flask, request
from flask_cors import CORS

import telemetry
from services import activities, messages

app = Flask(__name__)
provider = telemetry.start(app)
# The page sends `traceparent` with its requests, so that its trace and ours are one: it has to be allowed here.
CORS(
    app,
    resources={r"/api/*": {"origins": os.getenv("FRONTEND_URL", "http://127.0.0.1:3000").split(",")}},
    allow_headers=["content-type", "if-modified-since", "traceparent", "tracestate", "baggage"],
    expose_headers="location,link",
    methods="OPTIONS,GET,HEAD,POST",
)


def answer(model):
    return (model["errors"], 422) if model["errors"] else (model["data"], 200)


@app.get("/api/activities/home")
def home():
    return activities.home()


@app.get("/api/activities/notifications")
def notifications():
    return activities.notifications()


@app.get("/api/activities/@<handle>")
def by_user(handle):
    return answer(activities.by_user(handle))


@app.get("/api/activities/search")
def search():
    return answer(activities.search(request.args.get("term", "")))


@app.get("/api/activities/<uuid:activity>")
def show(activity):
    return activities.show(str(activity))


@app.post("/api/activities")
def create():
    return answer(activities.create((request.get_json(silent=True) or {}).get("message", "")))


@app.post("/api/activities/<uuid:activity>/reply")
def reply(activity):
    return answer(activities.reply((request.get_json(silent=True) or {}).get("message", ""), str(activity)))


@app.get("/api/message_groups")
def message_groups():
    return messages.groups()


@app.route("/api/messages/@<handle>", methods=["GET"])
def message_list(handle):
    return messages.between("andrew", handle)


@app.post("/api/messages")
def message_create():
    return answer(messages.create((request.get_json(silent=True) or {}).get("message", "")))
