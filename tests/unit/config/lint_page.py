"""docs/lint.md from the table of rules: `python -m tests.unit.config.lint_page > docs/lint.md`."""

from __future__ import annotations

from dlcli.config.lint import RULES
from dlcli.config.lint.rule import Rule

_HEAD = """\
# Warnings

What runs but is probably not meant. A warning stops nothing: `dlcli train` shows each of them once at the start, `dlcli validate`
shows them beside the mistakes. One that is known is left out by a comment in its line, with one code or several:

```yaml
    - relu  # dlcli: ignore[activation-before-loss]
```

Blocks, `sequential` and `time_distributed` are looked into. A mistake inside of a block is named once, however often the block
is used; where a layer of a block is wrong beside one use and right beside another, nothing is said, but for the block that ends
the network: there the entry that uses it is named.

| code | what is found |
|---|---|
"""


def page() -> str:
    """The whole text."""
    rows = "".join(f"| [`{rule.code}`](#{rule.code}) | {rule.meaning} |\n" for rule in RULES.values())
    return _HEAD + rows + "".join(map(_section, RULES.values()))


def _section(rule: Rule) -> str:
    return (
        f"\n## {rule.code}\n\n{rule.meaning} {rule.reason}\n\n```yaml\n{rule.example}```\n\n"
        f"{rule.mend}\n\n```yaml\n{rule.mended}```\n"
    )


if __name__ == "__main__":
    print(page(), end="")
