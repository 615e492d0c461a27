"""A small handbook of an invented firm, with questions it answers, by the words that the answer must hold, and questions it does not."""

from __future__ import annotations

HANDBOOK = """# Larkspur Instruments: Staff and Customer Handbook

Larkspur Instruments was founded in 1987 by Greta Lindqvist in Uppsala. The company builds flow meters for breweries and
dairies. It employs 412 people at three sites.

## Returns and refunds

Customers may return an unused meter within 45 days of delivery. Returned goods must be in their original box. Refunds are
paid to the original card within ten working days. A restocking fee of 8 percent applies to custom orders.

Meters that were calibrated on site cannot be returned.

## Warranty

Every meter carries a warranty of four years. The warranty does not cover damage by frost, because frozen pipes burst the
measuring chamber. Claims go to Tomas Berg, who leads the service desk in Gothenburg.

## Leave

Employees have 28 days of paid holiday a year. Up to six unused days may be carried over until 31 March. Parental leave is
described in the collective agreement. Sick notes are needed from the fourth day of illness.

### How do I request holiday?

Open the Tidbok portal, pick the dates and press Send. Your manager answers within two days.

## Expenses

Receipts must be handed in by the 5th of the following month. The daily allowance depends on the country:

| country | allowance per day | hotel limit |
|---|---|---|
| Sweden | 260 SEK | 1400 SEK |
| Germany | 32 EUR | 140 EUR |
| Japan | 7200 JPY | 21000 JPY |

Taxi rides are paid only between 22:00 and 06:00.

## Security

Passwords have at least fourteen characters and are changed when a leak is suspected, never on a schedule. Lost laptops are
reported to the security desk, extension 4471, at once. To open a site after hours you need:

- a badge with the night mark
- a colleague on the same shift
- an entry in the guard's log

USB sticks from visitors may not be plugged in. Backups run every night at 02:30 and are kept for ninety days.

## API limits

The telemetry API accepts 120 requests per minute for each device key. Requests beyond that are answered with status 429.

```
POST /v2/readings
timeout_s = 15
max_batch = 500
```

The data of devices is stored in the Stockholm and Frankfurt regions.
"""

ANSWERABLE: tuple[tuple[str, str], ...] = (
    ("Who founded Larkspur Instruments?", "Greta Lindqvist"),
    ("When was the company founded?", "1987"),
    ("How many people work at Larkspur?", "412"),
    ("What does the company make?", "flow meters"),
    ("How long do customers have to send back a meter?", "45 days"),
    ("How many days do I have to return a product?", "45 days"),
    ("What is the restocking fee for custom orders?", "8 percent"),
    ("How quickly are refunds paid?", "ten working days"),
    ("Can I return a meter that was calibrated on site?", "cannot be returned"),
    ("How long is the warranty?", "four years"),
    ("Why is frost damage not covered?", "burst"),
    ("Who leads the service desk?", "Tomas Berg"),
    ("How many vacation days do employees get?", "28 days"),
    ("Until when can unused holiday be carried over?", "31 March"),
    ("When do I need a doctor's note?", "fourth day"),
    ("How do I ask for time off?", "Tidbok"),
    ("By when must receipts be submitted?", "5th"),
    ("What is the daily allowance in Germany?", "32 EUR"),
    ("What is the hotel limit in Japan?", "21000 JPY"),
    ("When are taxi rides reimbursed?", "22:00"),
    ("How long must a password be?", "fourteen characters"),
    ("Which number do I call when I lose my laptop?", "4471"),
    ("What do I need to enter a site after hours?", "badge"),
    ("May visitors plug in USB sticks?", "USB sticks"),
    ("How long are backups kept?", "ninety days"),
    ("At what time do backups run?", "02:30"),
    ("What is the rate limit of the telemetry API?", "120 requests"),
    ("What status code do I get when I send too many requests?", "429"),
    ("What is the maximum batch size?", "max_batch = 500"),
    ("Where is device data stored?", "Frankfurt"),
)

UNANSWERABLE: tuple[str, ...] = (
    "Who is the chief financial officer?",
    "What was the revenue in 2023?",
    "Is there a company car policy?",
    "How do I reset my VPN token?",
    "What is the daily allowance in Brazil?",
    "Does the canteen serve vegan food?",
    "What is the notice period for resignation?",
    "Which trade union represents the staff?",
    "How do I apply for a patent bonus?",
    "What is the capital of Australia?",
    "How many moons does Jupiter have?",
    "What is the price of the LX-900 pump?",
    "When does the summer party take place?",
    "Who won the football world cup?",
    "Which database does the telemetry service use?",
    "What encryption algorithm protects the backups?",
    "Is there a gym at the Uppsala site?",
    "What colour are the meters?",
    "How do I train a neural network?",
    "What is the email address of Greta Lindqvist?",
    "Do you ship to Canada?",
    "How much does express delivery cost?",
    "What is the retirement age?",
    "Can dogs come to the office?",
    "How do I bake sourdough bread?",
    "What are the opening hours of the shop?",
    "Who is the head of marketing?",
    "Which shares options do employees get?",
)
