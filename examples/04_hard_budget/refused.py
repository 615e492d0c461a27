"""A budget of a millionth of a dollar: the request is refused before anything is sent, and the client does not repeat it."""

import os
import sys

from openai import OpenAI, RateLimitError

client = OpenAI(base_url=os.environ["NINEFOLD_URL"] + "/v1", api_key=os.environ["NINEFOLD_KEY"])
try:
    client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "Hello"}], max_tokens=200)
except RateLimitError as error:
    print(f"{error.status_code} {error.code}: {error.body['message'] if isinstance(error.body, dict) else error}")
    print(f"final: x-should-retry is {error.response.headers['x-should-retry']}, trace {error.response.headers['x-ninefold-trace-id']}")
else:
    sys.exit("this should not have fitted into the budget")
