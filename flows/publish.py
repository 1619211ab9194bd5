"""Prefect flow ``publish``: rebuild the catalog of views over the newest committed versions.

Needs: the lake's path. A rerun gives the same catalog. Readers are never blocked.
"""

from __future__ import annotations

from prefect import flow, get_run_logger

from flows.settings import Settings
from warehouse.catalog import publish as publish_catalog
from warehouse.lake import Lake


@flow(name="publish")
def publish(lake: str | None = None) -> dict[str, int]:
    """Rebuild the catalog of views.

    Args:
        lake: The lake's path or URL; default from PRESSLAKE_LAKE or presslake.toml.

    Returns:
        The published table version of each table.
    """
    versions = publish_catalog(Lake.open(Settings.load(lake=lake).lake))
    get_run_logger().info("published %s", versions)
    return versions


if __name__ == "__main__":
    publish()
