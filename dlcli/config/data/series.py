"""Files of series, one for each sample."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dlcli.config.data.base import DataSpec

Missing = Literal["linear", "previous", "zero", "refuse"]


class Ts(DataSpec):
    """Series as the UCR and UEA archives have them, of one length or of many: a line for each, its class or value at the end."""

    kind: ClassVar[str] = "ts"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The file NAME_TRAIN.ts, or a folder that holds one such; NAME_TEST.ts beside it is the test split, if it is there."""
    missing: Missing = "linear"
    """What stands in for a missing value (`?` or NaN): linear, the line between the values before and after, as the archive
    itself fills them in; previous, the value before; zero; or refuse. Missing steps at the end of a series only end it where
    the file says `@equalLength false`."""
