"""`/v1/images/*` and `/v1/audio/*`."""

from __future__ import annotations

from ninefold.domain.call import ModelCall
from ninefold.http import errors
from ninefold.http.serve_call import Sent, Surface
from ninefold.wire.openai.media import passthrough


def _picture(sent: Sent) -> ModelCall:
    return passthrough.read_picture(sent.body, sent.content_type, sent.path)


def _audio(sent: Sent) -> ModelCall:
    return passthrough.read_audio(sent.body, sent.content_type, sent.path)


def _speech(sent: Sent) -> ModelCall:
    return passthrough.read_speech(sent.body, sent.path)


OPENAI_IMAGES = Surface(name="openai.images", read=_picture, error_event=errors.openai_event)
OPENAI_TRANSCRIPTION = Surface(name="openai.transcription", read=_audio, error_event=errors.openai_event)
OPENAI_SPEECH = Surface(name="openai.speech", read=_speech, error_event=errors.openai_event)
