"""A story is told in steps; each quotes the sentence of the source document that it plays."""

from contextlib import contextmanager


@contextmanager
def step(sentence):
    """Play one sentence. When it fails, the failure says which promise is broken."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"The document promises: “{sentence}”")
        raise
