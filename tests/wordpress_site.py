"""A real WordPress on loopback for the tests: Debian's package, PHP's own web server, a private MariaDB.

    site = WordPress.start()             # from a cached snapshot of the seeded site: a few seconds
    requests.get(site.url + "/wp-json/wp/v2/posts")
    site.php("wp_trash_post(25);")
    site.reset()
    site.stop()

The seeded site is described in tests/wordpress/*.php. Nothing listens anywhere but on 127.0.0.1 and a unix socket.
The cache (PRESSLAKE_TEST_CACHE, else ~/.cache/presslake-tests) pins what was downloaded: delete it for newer packages.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self

from guard import LIFETIME_S, Processes, wait_for
from wordpress_packages import (
    PATH,
    Tree,
    Version,
    WordPressUnavailable,
    ensure_programs,
    run,
    unpacked_tree,
    which,
)

__all__ = ["Permalinks", "Version", "WordPress", "WordPressUnavailable", "cache_directory"]

Permalinks = Literal["pretty", "plain"]

PHP_FILES = Path(__file__).resolve().parent / "wordpress"
# What the seed writes where an instance has its own port. Five digits, like every port the kernel hands out,
# so that replacing it changes no length inside PHP-serialised values.
SEED_HOST = "127.0.0.1:65535"


def cache_directory() -> Path:
    path = Path(os.environ.get("PRESSLAKE_TEST_CACHE") or Path.home() / ".cache" / "presslake-tests")
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- processes ---------------------------------------------------------------------------------------------


def _start_database(processes: Processes, work: Path) -> subprocess.Popen[bytes]:
    import pymysql

    options = {
        "datadir": work / "data", "socket": work / "db.sock", "pid-file": work / "db.pid", "tmpdir": work,
        "skip-networking": "1", "character-set-server": "utf8mb4", "sql-mode": "NO_ENGINE_SUBSTITUTION",
        "innodb-flush-log-at-trx-commit": "0", "innodb-doublewrite": "0", "innodb-log-file-size": "8M",
        "innodb-buffer-pool-size": "64M", "innodb-fast-shutdown": "1", "performance-schema": "0",
        "max-connections": "64", "innodb-use-native-aio": "0",
        **({"user": "root"} if os.geteuid() == 0 else {}),
    }  # fmt: skip
    log = work / "mariadb.log"
    env = {**os.environ, "PATH": PATH}
    command = [
        str(which("mariadbd")),
        "--no-defaults",
        *(f"--{key}={value}" for key, value in options.items()),
    ]
    process = processes.start(command, log, env)

    def ready() -> bool:
        # pymysql leaves its socket open when nobody answers yet, so knock with one of our own first.
        with socket.socket(socket.AF_UNIX) as knock:
            if knock.connect_ex(str(work / "db.sock")) != 0:
                return False
        with suppress(pymysql.err.OperationalError):
            pymysql.connect(unix_socket=str(work / "db.sock"), user="root").close()
            return True
        return False

    wait_for("mariadbd", ready, process, log)
    return process


def _php_command(work: Path, *arguments: str | Path) -> list[str | Path]:
    options = {
        "memory_limit": "512M", "date.timezone": "UTC", "output_buffering": "4096",
        # The server would print "stderr" errors into the page, so there they go to its log.
        **({"display_errors": "0", "log_errors": "1"} if arguments[0] == "-S"
           else {"display_errors": "stderr", "log_errors": "0"}),
        # Compiled files kept on disk: a small php() call takes 0.2 s rather than 0.5.
        "opcache.enable_cli": "1", "opcache.revalidate_freq": "0",
        "opcache.file_cache": cache_directory() / "opcache", "opcache.blacklist_filename": work / "opcache-skip",
    }  # fmt: skip
    flags = [part for key, value in options.items() for part in ("-d", f"{key}={value}")]
    return [str(which("php")), *flags, *arguments]


def _php_environment(tree: Tree, work: Path, url: str) -> dict[str, str]:
    return {
        "WPX_ROOT": str(tree.root), "WPX_CONFIG": str(PHP_FILES / "wp-config.php"), "WPX_THEME": tree.theme,
        "WPX_SOCKET": str(work / "db.sock"), "WPX_CONTENT": str(work / "content"), "WPX_URL": url,
        "PATH": PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC", "PHP_CLI_SERVER_WORKERS": "4",
    }  # fmt: skip


def _work_directory() -> Path:
    path = tempfile.mkdtemp(prefix="presslake-wp-")
    if len(path) > 80:  # a unix socket's path has at most 107 characters
        os.rmdir(path)
        path = tempfile.mkdtemp(prefix="presslake-wp-", dir="/tmp")
    work = Path(path)
    # Files that exist once, in one instance, must not pile up in the shared cache of compiled files.
    (work / "opcache-skip").write_text(f"{work}/*\n")
    (cache_directory() / "opcache").mkdir(exist_ok=True)
    return work


def _snapshot(tree: Tree, cache: Path) -> Path:
    """The seeded database and content folder, built once for these versions and these seed files."""
    about = [
        tree.sources,
        run("php", "-r", "echo PHP_VERSION;").decode(),
        run("mariadbd", "--version").decode(),
    ]
    parts = [path.read_bytes() for path in sorted(PHP_FILES.glob("*.php"))] + ["\n".join(about).encode()]
    key = hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]
    final = cache / f"snapshot-{tree.version}-{key}"
    if final.exists():
        os.utime(final)
        return final
    for old in cache.glob("snapshot-*"):  # of seeds that nobody has started for a month
        if old.stat().st_mtime < time.time() - 30 * 86400:
            shutil.rmtree(old, ignore_errors=True)
    work = _work_directory()
    processes = Processes(work)
    try:
        (work / "content" / "uploads").mkdir(parents=True)
        (work / "content" / "plugins").mkdir()
        (work / "content" / "mu-plugins").mkdir()
        (work / "content" / "themes").symlink_to(tree.root / "wp-content" / "themes")
        shutil.copy(PHP_FILES / "mu-plugin.php", work / "content" / "mu-plugins" / "wpx.php")
        user = ["--user=root"] if os.geteuid() == 0 else []
        run("mariadb-install-db", "--no-defaults", f"--datadir={work / 'data'}", "--skip-test-db",
             "--auth-root-authentication-method=normal", "--innodb-log-file-size=8M", *user)  # fmt: skip
        database = _start_database(processes, work)
        _query(
            work,
            "CREATE DATABASE wordpress CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci",
            database=None,
        )
        env = _php_environment(tree, work, f"http://{SEED_HOST}")
        run(*_php_command(work, PHP_FILES / "install.php"), env=env)
        said = run(*_php_command(work, PHP_FILES / "run.php"), env=env, stdin=f"require '{PHP_FILES}/seed.php';")
        if said.strip():
            raise RuntimeError(f"seed.php said: {said.decode(errors='replace')[:2000]}")
        processes.end(database)
        half = cache / f"{final.name}.{os.getpid()}"
        half.mkdir()
        shutil.move(work / "data", half / "data")
        shutil.copytree(work / "content", half / "content", symlinks=True)
        half.rename(final)
    finally:
        processes.close()
        shutil.rmtree(work, ignore_errors=True)
    return final


def _query(
    work: Path, query: str, args: Sequence[Any] = (), database: str | None = "wordpress"
) -> list[dict[str, Any]]:
    import pymysql
    from pymysql.cursors import DictCursor

    connection = pymysql.connect(
        unix_socket=str(work / "db.sock"), user="root", database=database, charset="utf8mb4", autocommit=True,
        cursorclass=DictCursor,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute(query, tuple(args) or None)
        return list(cursor.fetchall())


# --- the site ----------------------------------------------------------------------------------------------


class WordPress:
    """A running site. Its administrator is admin / password; every other seeded user has that password too."""

    def __init__(self, tree: Tree, snapshot: Path, permalinks: Permalinks, port: int | None, lifetime_s: float) -> None:
        self.version = tree.version
        self.permalinks = permalinks
        self._tree, self._snapshot, self._owner = tree, snapshot, os.getpid()
        self._work = _work_directory()
        self._processes = Processes(self._work, lifetime_s)
        atexit.register(self.stop)
        try:
            self._serve(port)
            self._restore()
            rest = "/wp-json/?_fields=namespaces" if permalinks == "pretty" else "/?rest_route=/&_fields=namespaces"
            with urllib.request.urlopen(self.url + rest, timeout=60) as answer:
                json.load(answer)
        except BaseException:
            self.stop()
            raise

    @classmethod
    def start(
        cls,
        permalinks: Permalinks = "pretty",
        version: Version = "stable",
        *,
        port: int | None = None,
        lifetime_s: float = LIFETIME_S,
    ) -> Self:
        """A seeded site on a free loopback port; WordPressUnavailable if this machine cannot have one."""
        cache = cache_directory()
        with _locked(cache):
            ensure_programs()
            tree = unpacked_tree(version, cache)
            snapshot = _snapshot(tree, cache)
        return cls(tree, snapshot, permalinks, port, lifetime_s)

    def _serve(self, port: int | None) -> None:
        log = self._work / "php.log"
        for attempt in range(5):
            if port is None or attempt:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    chosen = probe.getsockname()[1]
            else:
                chosen = port
            self.site, self.url = f"127.0.0.1:{chosen}", f"http://127.0.0.1:{chosen}"
            self._env = _php_environment(self._tree, self._work, self.url)
            command = _php_command(self._work, "-S", self.site, "-t", self._tree.root, PHP_FILES / "router.php")
            server = self._processes.start(command, log, self._env)
            try:
                wait_for("php -S", lambda: b" started" in log.read_bytes(), server, log)
                return
            except RuntimeError:  # the port was taken between the probe and now
                self._processes.end(server)
                if attempt == 4 or port is not None:
                    raise

    def _restore(self) -> None:
        for name in ("data", "content"):
            shutil.rmtree(self._work / name, ignore_errors=True)
            shutil.copytree(self._snapshot / name, self._work / name, symlinks=True)
        self._database = _start_database(self._processes, self._work)
        for table, column in (("posts", "guid"), ("posts", "post_content"), ("postmeta", "meta_value"),
                              ("options", "option_value"), ("users", "user_url")):  # fmt: skip
            self.sql(
                f"UPDATE wp_{table} SET {column} = REPLACE({column}, %s, %s) WHERE {column} LIKE %s",
                (SEED_HOST, self.site, f"%{SEED_HOST}%"),
            )
        if self.permalinks == "plain":
            self.sql(
                "UPDATE wp_options SET option_value = '' WHERE option_name IN ('permalink_structure', 'rewrite_rules')"
            )

    def reset(self) -> None:
        """Back to the seeded site: posts, options, uploads, plug-ins. Same url; application passwords are gone."""
        self._processes.end(self._database, signal.SIGKILL)
        self._restore()

    def stop(self) -> None:
        if self._owner != os.getpid():  # a forked child reached its atexit
            return
        atexit.unregister(self.stop)
        self._processes.close()
        shutil.rmtree(self._work, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _php(self, code: str) -> bytes:
        return run(*_php_command(self._work, PHP_FILES / "run.php"), env=self._env, stdin=code)

    def php(self, code: str) -> str:
        """Runs PHP with WordPress loaded as the administrator; returns what it printed, raises if it failed."""
        return self._php(code).decode()

    def sql(self, query: str, args: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Straight into MariaDB, tables wp_*. Zero dates come back as text, others as datetime."""
        return _query(self._work, query, args)

    def post_id(self, slug: str, post_type: str = "post") -> int:
        """The id of a seeded post by its slug (the hand-written ones are named after their concern)."""
        rows = self.sql("SELECT ID FROM wp_posts WHERE post_name = %s AND post_type = %s", (slug, post_type))
        if len(rows) != 1:
            raise LookupError(f"{len(rows)} {post_type}s with the slug {slug}")
        return int(rows[0]["ID"])

    def add_posts(self, count: int, *, start: str = "2012-01-01 08:00:00", step_s: int = 3600) -> list[int]:
        """Inserts generated posts, dated and modified at start, start + step… (local time); returns their ids."""
        said = self.php(
            f"require '{PHP_FILES}/generate.php'; echo json_encode(wpx_generate({count:d}, fn ($k) => array_fill(0, 2,"
            f" date('Y-m-d H:i:s', strtotime('{start} UTC') + $k * {step_s:d})), [1, 2, 3, 4]));"
        )
        return [int(number) for number in json.loads(said)]

    def add_plugin(self, name: str, code: str) -> None:
        """A must-use plug-in, active at once (PHP code without the opening tag); reset() removes it."""
        (self._work / "content" / "mu-plugins" / f"{name}.php").write_text(f"<?php\n{code}\n")

    def make_network(self, *names: str) -> None:
        """Makes it a multisite network in folders, with a site below each name; reset() undoes it."""
        self.php(
            "require_once ABSPATH . 'wp-admin/includes/upgrade.php'; global $wpdb;"
            "foreach ($wpdb->tables('ms_global') as $name => $full) $wpdb->$name = $full; install_network();"
            f"$made = populate_network(1, '{self.site}', 'admin@example.com', 'Network', '/', false);"
            "if (is_wp_error($made) && $made->get_error_code() !== 'no_wildcard_dns') { wp_die($made); }"
        )
        (self._work / "content" / "network.php").write_text(
            "<?php define('MULTISITE', true); define('SUBDOMAIN_INSTALL', false); define('PATH_CURRENT_SITE', '/');"
            f" define('DOMAIN_CURRENT_SITE', '{self.site}'); define('SITE_ID_CURRENT_SITE', 1);"
            " define('BLOG_ID_CURRENT_SITE', 1);\n"
        )
        for name in names:
            # A domain loses its port on the way in, so that is put back.
            id_ = int(self.php(f"echo wpmu_create_blog('{self.site}', '/{name}/', '{name}', 1);"))
            self.sql("UPDATE wp_blogs SET domain = %s WHERE blog_id = %s", (self.site, id_))
            self.sql(
                f"UPDATE wp_{id_}_options SET option_value = %s WHERE option_name IN ('home', 'siteurl')",
                (f"{self.url}/{name}",),
            )

    def run_cron(self) -> None:
        """Runs every event that is due, as a visit to wp-cron.php would."""
        self._php("delete_transient('doing_cron'); require ABSPATH . 'wp-cron.php';")

    def app_password(self, user: str = "admin") -> str:
        """A new application password of the user, for Basic authentication."""
        return self.php(
            f"$user = get_user_by('login', {json.dumps(user)});"
            "$made = WP_Application_Passwords::create_new_application_password($user->ID, ['name' => uniqid('test ')]);"
            "if (is_wp_error($made)) { wp_die($made); }"
            "echo WP_Application_Passwords::chunk_password($made[0]);"
        )

    def export_wxr(self) -> bytes:
        """What Tools > Export > All content would download."""
        return self._php("require_once ABSPATH . 'wp-admin/includes/export.php'; export_wp(['content' => 'all']);")

    def log(self) -> str:
        """The log of PHP's server: one line per request (`[200]: GET /…`), and PHP's own errors."""
        return (self._work / "php.log").read_text(errors="replace")
