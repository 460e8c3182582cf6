"""Files of series, one for each sample."""

from typing import Annotated, ClassVar

from pydantic import Field

from dlcli.config.data.base import DataSpec


class Ts(DataSpec):
    """Series of one length as the UCR and UEA archives have them: a line for each, its class or value at the end."""

    kind: ClassVar[str] = "ts"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The file NAME_TRAIN.ts, or a folder that holds one such; NAME_TEST.ts beside it is the test split, if it is there."""
