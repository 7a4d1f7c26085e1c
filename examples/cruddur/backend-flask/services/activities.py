"""Posts. The home feed carries the lesson's hand-made span and its two attributes."""
from datetime import datetime, timedelta, timezone
from uuid import uuid4

from opentelemetry import trace

tracer = trace.get_tracer("home.activities")


def _post(handle, message, age, likes=0, replies=0, uuid=None):
    now = datetime.now(timezone.utc)
    return {
        "uuid": uuid or str(uuid4()),
        "handle": handle,
        "message": message,
        "likes_count": likes,
        "replies_count": replies,
        "created_at": (now - age).isoformat(),
        "expires_at": (now + timedelta(days=5)).isoformat(),
    }


def home():
    with tracer.start_as_current_span("home-activites-mock-data") as span:
        now = datetime.now(timezone.utc).astimezone()
        span.set_attribute("app.now", now.isoformat())
        posts = [
            _post("river", "The cloud is other people's rain", timedelta(days=2), likes=5, replies=1,
                  uuid="68f126b0-1ceb-4a33-88be-d90fa7109eee"),
            _post("moss", "I am out of prunes", timedelta(days=7), uuid="66e12864-8c26-4c3a-9658-95a10f8fea67"),
            _post("garnet", "My dear posts, at last a feed", timedelta(hours=1),
                  uuid="248959df-3079-4947-b847-9e0892d1bab4"),
        ]
        span.set_attribute("app.result_length", len(posts))
        return posts


def notifications():
    return [_post("coco", "I liked your post", timedelta(minutes=30))]


def by_user(handle):
    if not handle.strip():
        return {"errors": ["blank_user_handle"], "data": None}
    return {"errors": None, "data": [_post(handle, "Lessons are due on Friday", timedelta(days=1))]}


def show(activity):
    return [_post("river", "The cloud is other people's rain", timedelta(days=2), uuid=activity)]


def search(term):
    if not term.strip():
        return {"errors": ["search_term_blank"], "data": None}
    return {"errors": None, "data": [_post("river", f"About {term}", timedelta(days=3))]}


def create(message):
    if not message.strip():
        return {"errors": ["message_blank"], "data": None}
    if len(message) > 280:
        return {"errors": ["message_exceed_max_chars"], "data": None}
    return {"errors": None, "data": _post("river", message, timedelta())}


def reply(message, activity):
    made = create(message)
    if made["data"]:
        made["data"]["reply_to_activity_uuid"] = activity
    return made
