"""What every client's suite asks for, and which models it asks."""

from __future__ import annotations

from tests.compat.landscape import VENDORS

MODELS = [f"on-{name}" for name in VENDORS]
# OpenAI's chat completions count what a model thought and do not show it.
SHOWS_THOUGHTS = [f"on-{name}" for name in VENDORS if name not in {"openai", "azure"}]
KOELN = {"city": 'Köln "am" Rhein'}
ONE_CALL = 'call weather {"city": "Köln \\"am\\" Rhein"}'
TWO_CALLS = ONE_CALL + '\ncall clock {"city": "Oslo"}'
CALLED = [("weather", KOELN), ("clock", {"city": "Oslo"})]
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\xdacd\xf8\xcfP\x0f\x00\x03\x86\x01\x80Z4}k\x00\x00\x00\x00IEND\xaeB`\x82"
)
