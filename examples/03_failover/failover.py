"""Asks a model whose first deployment is dead: the second one answers, and the route says so."""

import os

from openai import OpenAI

TEXT = "Support is open from 9 to 17 on weekdays. Refunds take five days. Orders above 50 euros ship for free."

client = OpenAI(base_url=os.environ["NINEFOLD_URL"] + "/v1", api_key=os.environ["NINEFOLD_KEY"])
for number in range(1, 8):
    answer = client.chat.completions.create(
        model="fast",
        messages=[{"role": "system", "content": TEXT}, {"role": "user", "content": "Which orders ship for free?"}],
    )
    route = (answer.model_extra or {})["ninefold"]["route"]
    # Five failures in a row open the breaker: from then on the dead deployment is tried last, so one attempt is enough.
    print(f"{number}: answered by {route['deployment']} after {route['attempts']} attempts ({route['reason']})")
