"""Asks a question about a text with the OpenAI client, and prints what Ninefold adds to the answer."""

import os

from openai import OpenAI

TEXT = "Support is open from 9 to 17 on weekdays. Refunds take five days. Orders above 50 euros ship for free."

client = OpenAI(base_url=os.environ["NINEFOLD_URL"] + "/v1", api_key=os.environ["NINEFOLD_KEY"])
answer = client.chat.completions.create(
    model="local/reader",
    messages=[{"role": "system", "content": TEXT}, {"role": "user", "content": "How long do refunds take?"}],
    extra_headers={"x-ninefold-product": "examples", "x-ninefold-workflow": "first-question"},
)
print(answer.choices[0].message.content)

told = (answer.model_extra or {})["ninefold"]
print(f"answered by {told['deployment']} for ${told['cost_usd']:.9f}, trace {told['trace_id']}")
