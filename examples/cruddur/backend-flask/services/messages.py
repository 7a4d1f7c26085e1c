"""Direct messages, made up on the spot."""
from datetime import datetime, timezone
from uuid import uuid4


def _message(handle, text):
    return {"uuid": str(uuid4()), "handle": handle, "message": text, "created_at": datetime.now(timezone.utc).isoformat()}


def groups():
    return [{"uuid": "24b95582-9e7b-4e0a-9ad1-639773ab7552", "handle": "moss"},
            {"uuid": "417c360e-c4e6-4fce-873b-d2d71469b4ac", "handle": "garnet"}]


def between(mine, other):
    return [_message(mine, "This is the first message"), _message(other, "And this the answer")]


def create(text):
    if not text.strip():
        return {"errors": ["message_blank"], "data": None}
    return {"errors": None, "data": _message("river", text)}
