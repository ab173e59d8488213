"""`crossbook halt` and `crossbook resume`: the halt file, for a router that runs or will run."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from router.assembly import halt_file_of
from router.config import ConfigError, load
from router.core.halts import Scope
from router.runtime import halt_file
from router.runtime.switch import WATCH_MS
from venues import discover


def halt(config: Path, scope: Scope, why: str, *, emit: Callable[[str], None]) -> int:
    """Put it into the file. ConfigError or OSError when that cannot be."""
    venues = discover()
    settings = load(config, venues)
    _check_known(scope, {"account": settings.accounts, "venue": venues})
    path = halt_file_of(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with halt_file.alone(path):
        halt_file.write(path, halt_file.read(path) | {scope: why})
    emit(f"halted {scope} in {path}: a running router sees it within {WATCH_MS} ms, another when it starts")
    return 0


def _check_known(scope: Scope, names: Mapping[str, Collection[str]]) -> None:
    """A slip in a name would halt nothing."""
    known = names.get(scope.kind)
    if known is not None and scope.name not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise ConfigError(
            f"no {scope.kind} is called {scope.name!r}; known are {listed}. Nothing was halted: "
            "`crossbook halt all` halts everything"
        )


def resume(config: Path, scope: Scope, *, emit: Callable[[str], None]) -> int:
    """Take it out of the file; 1 when it is not there."""
    path = halt_file_of(load(config, discover()))
    halts: dict[Scope, str] = {}
    if path.parent.is_dir():
        with halt_file.alone(path):
            halts = halt_file.read(path)
            if scope in halts:
                halt_file.write(path, {each: why for each, why in halts.items() if each != scope})
    if scope not in halts:
        standing = ", ".join(str(each) for each in halts) or "nothing"
        emit(f"{path} does not halt {scope}; it halts {standing}. Halts by signal or API are lifted by API.")
        return 1
    emit(f"{scope} is no longer halted by {path}; halts by signal or API stand until lifted by API")
    return 0
