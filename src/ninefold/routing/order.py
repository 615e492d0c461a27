"""In which order the deployments of a route are tried; each strategy is a pure function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ninefold.domain.call import ModelCall
from ninefold.domain.snapshot import Deployment
from ninefold.domain.usage import Usage
from ninefold.ports.router import Health

# What an answer is taken to have where the caller set no bound: strategies compare prices by it, nothing is held or billed by it.
USUAL_OUTPUT_TOKENS = 500


# Not frozen: one is made for every request of a route that chooses, and freezing it costs more than the choice.
@dataclass(slots=True, kw_only=True)
class Moment:
    """What a choice may depend on besides the route: the call, how all fare, chance, and the objective of the task class."""

    call: ModelCall
    health: Health
    draw: float
    first_token_s: float | None = None

    @property
    def seconds(self) -> Mapping[str, float]:
        """The usual time of each deployment for this kind of answer."""
        return self.health.first_token_s if self.call.stream else self.health.whole_s


# Deployments with their weights -> the same deployments, best first.
Strategy = Callable[[Sequence[Deployment], Sequence[float], Moment], list[Deployment]]


def priority(deployments: Sequence[Deployment], weights: Sequence[float], moment: Moment) -> list[Deployment]:
    """As listed."""
    del weights, moment
    return list(deployments)


def weighted(deployments: Sequence[Deployment], weights: Sequence[float], moment: Moment) -> list[Deployment]:
    """Drawn without putting back, each as likely as its share of the weights that are left; those of weight 0 come last, as listed.

    One draw is enough: within the part of it that chose the first it is uniform again, and chooses the next.
    """
    left = [(each, weight) for each, weight in zip(deployments, weights, strict=True) if weight > 0]
    total = sum([weight for _, weight in left])
    chosen: list[Deployment] = []
    draw = moment.draw
    while len(left) > 1:
        draw *= total
        for place, (each, weight) in enumerate(left):
            if draw < weight or place == len(left) - 1:
                chosen.append(each)
                draw = min(draw / weight, 1.0)
                total -= weight
                del left[place]
                break
            draw -= weight
    chosen += [each for each, _ in left]
    chosen += [each for each, weight in zip(deployments, weights, strict=True) if weight <= 0]
    return chosen


def cheapest(deployments: Sequence[Deployment], weights: Sequence[float], moment: Moment) -> list[Deployment]:
    """By what this call costs there, unpriced ones last; those that are known to miss the objective of first-token time after the rest."""
    del weights
    call = moment.call
    output = USUAL_OUTPUT_TOKENS if call.max_output_tokens is None else call.max_output_tokens
    usage = Usage(input_tokens=call.input_tokens_bound, output_tokens=output * call.choices)
    limit_s = moment.first_token_s

    def key(each: Deployment) -> tuple[bool, bool, int]:
        late = limit_s is not None and moment.health.first_token_s.get(each.name, 0.0) > limit_s
        return late, each.price is None, 0 if each.price is None else each.price.cost_nanos(usage)

    return sorted(deployments, key=key)


def fastest(deployments: Sequence[Deployment], weights: Sequence[float], moment: Moment) -> list[Deployment]:
    """The better of two that chance picked, then the others by their time; nobody knows how fast an untried one is until it is tried.

    A time counts as often as the deployment has attempts under way, plus once: what is fast and busy will not be fast.
    Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001); always taking the best of all would send
    everybody to one deployment between two measurements.
    """
    del weights
    seconds, in_flight = moment.seconds, moment.health.in_flight

    def key(each: Deployment) -> tuple[float, int]:
        busy = in_flight.get(each.name, 0)
        return seconds.get(each.name, 0.0) * (busy + 1), busy

    count = len(deployments)
    by_time = sorted(deployments, key=key)
    if count < 2:
        return by_time
    pair = min(int(moment.draw * count * (count - 1)), count * (count - 1) - 1)
    one, other = divmod(pair, count - 1)
    other += other >= one
    first = min(deployments[one], deployments[other], key=key)
    return [first, *(each for each in by_time if each is not first)]


def least_busy(deployments: Sequence[Deployment], weights: Sequence[float], moment: Moment) -> list[Deployment]:
    """By how many attempts this worker has under way there, as listed where that is the same."""
    del weights
    in_flight = moment.health.in_flight
    return sorted(deployments, key=lambda each: in_flight.get(each.name, 0))


STRATEGIES: dict[str, Strategy] = {
    "priority": priority,
    "weighted": weighted,
    "cheapest": cheapest,
    "fastest": fastest,
    "least_busy": least_busy,
}
