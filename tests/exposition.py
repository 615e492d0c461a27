"""A strict reader of Prometheus' text format.

Source: prometheus.io/docs/instrumenting/exposition_formats, "Text format details".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_HEAD = re.compile(rf"# (HELP|TYPE) ({_NAME}) (.+)")
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}
Labels = tuple[tuple[str, str], ...]


@dataclass
class Metric:
    """One family: its kind and its samples, by the sample's own name and its labels in order of their names."""

    kind: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def value(self, **labels: str) -> float:
        """The sum of the samples that have at least these labels; buckets and sums of histograms left out."""
        return sum(
            number
            for (name, have), number in self.samples.items()
            if labels.items() <= dict(have).items() and not name.endswith(("_bucket", "_sum"))
        )


def parse(text: bytes) -> dict[str, Metric]:
    """The metrics in `text`. Raises: AssertionError where it is not the format to the letter."""
    assert text.endswith(b"\n")
    found: dict[str, Metric] = {}
    current, expected = "", "HELP"
    for line in text.decode("utf-8").removesuffix("\n").split("\n"):
        head = _HEAD.fullmatch(line)
        if head is not None:
            word, name, rest = head.groups()
            assert word == expected, line
            if word == "HELP":
                assert name not in found, f"{name} comes twice"
                current, expected = name, "TYPE"
            else:
                assert name == current, line
                assert rest in {"counter", "gauge", "histogram"}, line
                assert rest != "counter" or name.endswith("_total"), line
                found[name], expected = Metric(kind=rest), "HELP"
            continue
        assert expected == "HELP", line
        sample = _SAMPLE.fullmatch(line)
        assert sample is not None, line
        metric = found[current]
        assert sample[1] in [current + suffix for suffix in _SUFFIXES.get(metric.kind, ("",))], line
        key = (sample[1], _labels(sample[2]))
        assert key not in metric.samples, f"{line} comes twice"
        metric.samples[key] = float(sample[3])
    for name, metric in found.items():
        if metric.kind == "histogram":
            _check_histogram(name, metric)
        else:
            assert all(number >= 0 for number in metric.samples.values()), name
    return found


def _labels(text: str | None) -> Labels:
    if text is None:
        return ()
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        pair = _LABEL.match(text, at)
        assert pair is not None, text
        pairs.append((pair[1], re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], pair[2])))
        at = pair.end()
        assert text[at : at + 1] in {"", ","}, text
        at += 1
    assert text[-1:] != ",", text
    assert len({name for name, _ in pairs}) == len(pairs), text
    return tuple(sorted(pairs))


def _check_histogram(name: str, metric: Metric) -> None:
    """Buckets grow and never fall, the last one is +Inf and equals the count; sum and count are there."""
    series: dict[Labels, list[tuple[float, float]]] = {}
    for (kind, labels), number in metric.samples.items():
        if kind == name + "_bucket":
            rest = tuple(pair for pair in labels if pair[0] != "le")
            series.setdefault(rest, []).append((float(dict(labels)["le"]), number))
    others = {labels for kind, labels in metric.samples if kind != name + "_bucket"}
    assert others == set(series), name
    for labels, buckets in series.items():
        assert [bound for bound, _ in buckets] == sorted({bound for bound, _ in buckets}), name
        assert [count for _, count in buckets] == sorted(count for _, count in buckets), name
        assert buckets[-1] == (float("inf"), metric.samples[name + "_count", labels]), name
        assert (name + "_sum", labels) in metric.samples, name
