"""`crossbook halt` and `crossbook resume`: the halt file, for a router that runs or will run."""

from collections.abc import Callable
from pathlib import Path

from router.assembly import halt_file_of
from router.config import load
from router.core.halts import Scope
from router.runtime import halt_file
from router.runtime.switch import WATCH_MS
from venues import discover


def halt(config: Path, scope: Scope, why: str, *, emit: Callable[[str], None]) -> int:
    """Put it into the file. ConfigError or OSError when that cannot be."""
    path = halt_file_of(load(config, discover()))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    halts = halt_file.read(path)
    halt_file.write(path, halts | {scope: why})
    emit(f"halted {scope} in {path}: a running router sees it within {WATCH_MS} ms, another when it starts")
    return 0


def resume(config: Path, scope: Scope, *, emit: Callable[[str], None]) -> int:
    """Take it out of the file; 1 when it is not there."""
    path = halt_file_of(load(config, discover()))
    halts = halt_file.read(path)
    if scope not in halts:
        standing = ", ".join(str(each) for each in halts) or "nothing"
        emit(f"{path} does not halt {scope}; it halts {standing}. Halts by signal or API are lifted by API.")
        return 1
    del halts[scope]
    halt_file.write(path, halts)
    emit(f"{scope} is no longer halted by {path}; halts by signal or API stand until lifted by API")
    return 0
