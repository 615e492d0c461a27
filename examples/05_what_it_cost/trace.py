"""Asks through a dead vendor, then reads from the control plane what was decided and what each attempt cost."""

import json
import os
import time
import urllib.error
import urllib.request

from openai import OpenAI

URL, ADMIN_KEY = os.environ["NINEFOLD_URL"], os.environ["NINEFOLD_ADMIN_KEY"]


def read_trace(trace_id, patience_s=10.0):
    """What the books know of a trace; they are a moment behind the answer."""
    request = urllib.request.Request(f"{URL}/api/v1/traces/{trace_id}", headers={"authorization": f"Bearer {ADMIN_KEY}"})
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                trace = json.load(reply)
            if trace["answers"]:
                return trace
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 404:
                    raise
        if time.monotonic() > give_up_at:
            raise TimeoutError(trace_id)
        time.sleep(0.1)


client = OpenAI(base_url=URL + "/v1", api_key=os.environ["NINEFOLD_KEY"])
messages = [{"role": "system", "content": "Refunds take five days."}, {"role": "user", "content": "How long do refunds take?"}]
answer = client.chat.completions.create(model="fast", messages=messages)
trace = read_trace((answer.model_extra or {})["ninefold"]["trace_id"])

for decision in trace["decisions"]:
    print(f"decision {decision['verdict']}: {' '.join(reason['detail'] for reason in decision['reasons'])}")
for line in trace["lines"]:
    tokens = f"{line['input_tokens']} in, {line['output_tokens']} out"
    print(f"{line['attempt_id']} at {line['deployment']}: {line['outcome']}, {tokens}, ${line['cost_usd']}")
print(f"together ${trace['cost_usd']}")
