"""A client's own environment: a folder under `build/` with the locked packages and, of ours, one script."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from conformance.clients import ROOT, Client

BUILD = ROOT / "build" / "conformance"
HELPERS = ("scene.py", "scene.mjs")
"""What the scripts import; it knows the control face of a simulator, and no client."""
INSTALL_S_MAX = 900
"""A cold cache on a slow line; the largest environment is some 60 packages."""


class NotInstalled(Exception):
    """A client's packages cannot be had; the text is the installer's own."""


def prepare(client: Client) -> Path:
    """The folder to run the client's script in. Packages are installed only when their lock has changed."""
    home = BUILD / client.venue / client.name
    home.mkdir(parents=True, exist_ok=True)
    stamp, lock = home / "installed", client.lock.read_bytes()
    wanted = hashlib.sha256(lock + sys.version.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        stamp.unlink(missing_ok=True)
        _install_python(client, home) if client.registry == "PyPI" else _install_npm(client, home)
        stamp.write_text(wanted)
    shutil.copy(client.folder / client.script, home)
    for helper in HELPERS:
        shutil.copy(Path(__file__).parent / helper, home)
    return home


def command(client: Client, home: Path) -> list[str]:
    """What runs the client's script."""
    if client.registry == "PyPI":
        # -I would hide the script's own folder, which holds the scene; -s -E hide what else is installed
        return [str(home / "env" / "bin" / "python"), "-s", "-E", "-B", str(home / client.script)]
    return ["node", str(home / client.script)]


def _install_python(client: Client, home: Path) -> None:
    shutil.rmtree(home / "env", ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(home / "env")], home)
    python = str(home / "env" / "bin" / "python")
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    _run([python, "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(client.lock)], home)


def _install_npm(client: Client, home: Path) -> None:
    for name in ("package.json", client.lock.name):
        shutil.copy(client.folder / name, home)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], home)


def _run(arguments: list[str], home: Path) -> None:
    try:
        done = subprocess.run(
            arguments, cwd=home, capture_output=True, text=True, check=False, timeout=INSTALL_S_MAX
        )
    except FileNotFoundError:
        raise NotInstalled(f"{arguments[0]} is not installed on this machine") from None
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{' '.join(arguments[:3])} took more than {INSTALL_S_MAX} s") from None
    if done.returncode:
        raise NotInstalled((done.stderr or done.stdout).strip()[-2_000:])
