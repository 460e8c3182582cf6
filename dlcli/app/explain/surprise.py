"""How sure a network was of each step of a text."""

from __future__ import annotations

from torch import Tensor

from dlcli.app.explain.answers import Answer, Head, truth_of
from dlcli.app.explain.blocks import Strip, Token
from dlcli.app.explain.cells import Row, rounded
from dlcli.app.explain.shown import Shown
from dlcli.app.explain.steps import shown_tokens
from dlcli.config.data import Text

_GOES_ON = "Each is coloured by how unlikely the network thought it before it read it"
_TAGGED = "Each is coloured by how unlikely the network thought its right answer"


def surprise(shown: Shown, answer: Answer, output: Tensor) -> Strip | None:
    """A text in the colours of how unlikely each right answer was thought; None without a text that has a class for each step.

    Args:
        shown: the sample.
        answer: what the network says of it.
        output: what it was read from, (1, time, classes).
    """
    subject, labels = shown.subject, shown.text
    head, truth = Head(answer.output, subject), truth_of(subject, answer.output, shown.sample.targets)
    if answer.step is None or head.judges != "classes" or truth is None or labels is None or len(labels) != truth.shape[1]:
        return None
    losses = head.step_losses(output, truth).tolist()
    right = [head.class_name(int(place)) for place in truth[0]]
    goes_on = isinstance(subject.experiment.data, Text)
    texts, top = right if goes_on else labels, max(losses) or 1.0
    tokens = [
        Token(texts[step], losses[step] / top, f"right: {right[step]}, loss {losses[step]:.3g}", is_marked=step == answer.step)
        for step in range(*shown_tokens(len(texts), answer.step))
    ]
    rows: list[Row] = [["step", "text", "right", "loss"]]
    rows += [[step + 1, labels[step], right[step], rounded(loss)] for step, loss in enumerate(losses)]
    reading = f"{_GOES_ON if goes_on else _TAGGED}; without colour it was sure, and right. The framed one is explained below."
    return Strip(shown.name("surprise"), "What surprised the network", reading, tokens, rows)
