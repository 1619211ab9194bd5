"""What the test WordPress is made of: programs from Debian packages, WordPress unpacked without being installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Version = Literal["stable", "newer"]

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = {
    "php": "php-cli",
    # The core packages are the bare programs: no service, no system user, nothing started by installing them.
    "mariadbd": "mariadb-server-core",
    "mariadb-install-db": "mariadb-server-core",
    "my_print_defaults": "mariadb-client-core",
}
PHP_MODULES = {"mysqli": "php-mysql", "gd": "php-gd", "mbstring": "php-mbstring", "SimpleXML": "php-xml"}


class WordPressUnavailable(RuntimeError):
    """This machine cannot run the test WordPress; the message says what is missing and what to install."""


def which(name: str) -> str | None:
    return shutil.which(name, path=PATH)


def run(*command: str | Path, stdin: str = "", env: dict[str, str] | None = None, cwd: Path | None = None) -> bytes:
    """The output of a command; its error text in a RuntimeError if it fails."""
    done = subprocess.run(
        [which(str(command[0])) or str(command[0]), *map(str, command[1:])],
        input=stdin.encode(), capture_output=True, timeout=600, cwd=cwd, check=False,
        env={**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8", **(env or {})},
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr + b"\n" + done.stdout).decode(errors="replace").strip()
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: {said[:3000]}")
    return done.stdout


def _missing_packages() -> list[str]:
    missing = {package for program, package in PROGRAMS.items() if not which(program)}
    modules = run("php", "-m").decode().split() if which("php") else []
    missing |= {package for module, package in PHP_MODULES.items() if module not in modules}
    return sorted(missing)


def ensure_programs() -> None:
    missing = _missing_packages()
    if not missing:
        return
    remedy = f"missing for the test WordPress: {', '.join(missing)} (apt-get install {' '.join(missing)})"
    if os.geteuid() != 0 or not which("apt-get"):
        raise WordPressUnavailable(remedy)
    try:
        apt_install(*missing)
    except RuntimeError as error:
        raise WordPressUnavailable(f"{remedy}; {error}") from error
    if _missing_packages():
        raise WordPressUnavailable(remedy)


def apt_install(*packages: str) -> None:
    """Install Debian packages as root; RuntimeError if that fails."""
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *packages)
    try:
        run(*install, env=env)
    except RuntimeError:  # typically package lists that are absent or older than the archive
        run("apt-get", "update", env=env)
        run(*install, env=env)


def _codename() -> str:
    with suppress(OSError):
        release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
        if release.get("ID") == "debian" and "VERSION_CODENAME" in release:
            return release["VERSION_CODENAME"].strip('"')
    raise WordPressUnavailable("the test WordPress comes from Debian's package `wordpress`; this is not Debian")


def _debian_sources(suite: str, codename: str, target: Path) -> None:
    """The system's own Debian sources, written below `target`, with the suite renamed if it is another one."""

    own = (codename, f"{codename}-updates", f"{codename}-security") if suite == codename else (codename,)

    def wanted(name: str) -> str | None:
        return (name if suite == codename else suite) if name in own else None

    lines, stanzas = [], []
    folder = Path("/etc/apt/sources.list.d")
    for path in [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.list"))]:
        for line in path.read_text().splitlines() if path.exists() else []:
            if (match := re.match(r"(deb\s+(?:\[[^]]*\]\s+)?\S+\s+)(\S+)(\s.*\bmain\b.*)", line)) and wanted(match[2]):
                lines.append(f"{match[1]}{wanted(match[2])}{match[3]}")
    for path in sorted(folder.glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            names = re.search(r"(?m)^Suites:(.*)$", stanza)
            suites = [new for name in (names[1].split() if names else []) if (new := wanted(name))]
            if suites and re.search(r"(?m)^Components:.*\bmain\b", stanza):
                stanzas.append(re.sub(r"(?m)^Suites:.*$", "Suites: " + " ".join(suites), stanza))
    if not lines and not stanzas:
        raise WordPressUnavailable(f"no package source for Debian {codename} in /etc/apt")
    (target / "parts").mkdir(parents=True, exist_ok=True)
    (target / "sources.list").write_text("\n".join(lines) + "\n")
    (target / "parts" / "debian.sources").write_text("\n\n".join(stanzas) + "\n")


@dataclass(frozen=True)
class Tree:
    """An unpacked WordPress, shared by all instances and never written to."""

    root: Path
    version: str
    theme: str
    sources: str  # package file names


def _download(suite: str, codename: str, cache: Path, name: str) -> Tree:
    """Unpacks the suite's wordpress without installing it (installing would bring a web server along)."""
    work = Path(tempfile.mkdtemp(prefix="unpack-", dir=cache))
    try:
        # Lists and caches of our own: another suite's lists must not leak into the system's view of packages.
        apt = work / "apt"
        _debian_sources(suite, codename, apt)
        (apt / "lists" / "partial").mkdir(parents=True)
        (apt / "cache" / "archives" / "partial").mkdir(parents=True)
        options = {
            "Dir::Etc::sourcelist": apt / "sources.list", "Dir::Etc::sourceparts": apt / "parts",
            "Dir::State::lists": apt / "lists", "Dir::Cache": apt / "cache",
            "Acquire::Languages": "none", "APT::Sandbox::User": "",
        }  # fmt: skip
        flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        run("apt-get", "update", "-q", *flags)
        run("apt-get", "download", "-q", "wordpress", *flags, cwd=work)
        package = next(work.glob("wordpress_*.deb"))
        control = run("dpkg-deb", "-f", package, "Depends", "Recommends").decode()
        theme = re.search(r"wordpress-theme-(\w+)", control)
        if theme is None:
            raise RuntimeError(f"{package.name} names no theme package")
        # Some of WordPress' libraries are links into packages of their own.
        extra = [f"wordpress-theme-{theme[1]}", *re.findall(r"\bphp-getid3\b", control)[:1]]
        run("apt-get", "download", "-q", *extra, *flags, cwd=work)
        packages = sorted(work.glob("*.deb"))
        for path in packages:
            run("dpkg-deb", "-x", path, work / "tree")
            path.unlink()
        shutil.rmtree(apt)
        root = work / "tree" / "usr" / "share" / "wordpress"
        source = (root / "wp-includes" / "version.php").read_text()
        facts = dict(re.findall(r"\$(\w+)\s*=\s*'([^']+)'", source))
        have = run("php", "-r", "echo PHP_VERSION;").decode()
        if _numbers(facts["required_php_version"]) > _numbers(have):
            raise RuntimeError(f"WordPress {facts['wp_version']} wants PHP {facts['required_php_version']}, not {have}")
        (root / "wp-config.php").write_text("<?php require getenv('WPX_CONFIG');\n")
        about = {
            "version": facts["wp_version"],
            "theme": theme[1],
            "sources": " ".join(p.name for p in packages),
        }
        (work / "tree.json").write_text(json.dumps(about))
        work.rename(cache / name)
        return Tree(root=cache / name / "tree" / "usr" / "share" / "wordpress", **about)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:3]]


def unpacked_tree(version: Version, cache: Path) -> Tree:
    name = f"wordpress-{version}"
    with suppress(OSError):
        about = json.loads((cache / name / "tree.json").read_text())
        return Tree(root=cache / name / "tree" / "usr" / "share" / "wordpress", **about)
    codename = _codename()
    reasons = []
    for suite in [codename] if version == "stable" else [s for s in ("sid", "trixie") if s != codename]:
        try:
            return _download(suite, codename, cache, name)
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            reasons.append(f"{suite}: {error}")
    raise WordPressUnavailable(f"no {version} WordPress could be downloaded and unpacked; " + "; ".join(reasons))
