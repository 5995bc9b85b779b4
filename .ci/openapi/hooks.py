"""What schemathesis does beside what it does by itself."""

import itertools

import schemathesis

sources = itertools.count()


@schemathesis.hook
def before_call(ctx, case, kwargs):
    # Requests without a token are counted by their source and answered 429 when there are many.
    source = next(sources)
    case.headers["X-Forwarded-For"] = f"10.{source >> 16 & 255}.{source >> 8 & 255}.{source & 255}"
