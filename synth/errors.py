"""Every error a user can cause or meet: one sentence that says what, where and what to do."""


class FlawsmithError(Exception):
    """Base of all errors shown without a traceback; `exit_code` is what the command returns.

    Each argument is one line of the message, so that a newline within a name never passes for the end of one."""

    exit_code = 2

    def lines(self) -> list[str]:
        return [str(line) for line in self.args]

    def __str__(self) -> str:
        return "\n".join(self.lines())


class SampleError(FlawsmithError):
    """A record that contradicts itself."""


class RecipeError(FlawsmithError):
    """A recipe that cannot be run as written."""


class SourceError(FlawsmithError):
    """Input data that cannot be read as asked."""


class LeakError(FlawsmithError):
    """One image in two roles, so that a measurement could not be trusted."""


class WriterError(FlawsmithError):
    """An output place or format that cannot be written."""


class DiskFull(WriterError):
    """A place with no room for what is written: work that began well, so exit code 1."""

    exit_code = 1


class GeneratorError(FlawsmithError):
    """A generator that cannot do what was asked, such as a base model of another layout."""


class EvalError(FlawsmithError):
    """A measurement that cannot be made as asked."""


class LicenceError(FlawsmithError):
    """A dataset that its source's licence does not allow to be published as asked."""


class HubError(FlawsmithError):
    """A Hub that refuses, fails or cannot be reached: exit code 1."""

    exit_code = 1


class RunError(FlawsmithError):
    """Work that began well and failed: exit code 1."""

    exit_code = 1


class TrackerError(FlawsmithError):
    """A tracker of losses is unknown or not installed."""
