"""Streams an answer with the Anthropic client; the cost stands in the last usage that the protocol reports."""

import os

from anthropic import Anthropic

TEXT = "Support is open from 9 to 17 on weekdays. Refunds take five days. Orders above 50 euros ship for free."

client = Anthropic(base_url=os.environ["NINEFOLD_URL"], api_key=os.environ["NINEFOLD_KEY"])
events = client.messages.create(
    model="local/reader",
    max_tokens=500,
    system=TEXT,
    messages=[{"role": "user", "content": "When is support open?"}],
    stream=True,
)
for event in events:
    if event.type == "content_block_delta" and event.delta.type == "text_delta":
        print(event.delta.text, end="", flush=True)
    elif event.type == "message_delta":
        told = (event.usage.model_extra or {})["ninefold"]
        print(f"\n{event.usage.output_tokens} tokens by {told['deployment']} for ${told['cost_usd']:.9f}, trace {told['trace_id']}")
