"""Turning ids into names: authors, terms and featured images of a batch, from the lake's own entity tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from schemas.columns import Row
from warehouse.heads import scan
from warehouse.lake import Lake

Missing = dict[str, set[tuple[str, str]]]
"""By table, the (taxonomy or "", id) that no table knows."""


class Names:
    """Looks up what documents refer to. Authors and terms are remembered for the run, media are too many."""

    def __init__(self, lake: Lake) -> None:
        """Start with nothing remembered."""
        self._lake = lake
        self._known: dict[tuple[str, str, str, str], Row] = {}

    def resolve(self, rows: Iterable[Row], fetch: Callable[[str, Missing], None] | None = None) -> None:
        """Fill names into rows of ``documents`` in place.

        ``fetch(site, missing)`` is asked once for what the lake does not know; it should store it.
        """
        by_site: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by_site[row["site"]].append(row)
        for site, documents in by_site.items():
            wanted = self._unknown(site, _unnamed(documents))
            self._look_up(site, wanted)
            missing = self._unknown(site, wanted)
            if fetch is not None and any(missing.values()):
                fetch(site, missing)
                self._look_up(site, missing)
            for row in documents:
                self._fill(site, row)
            # Media are looked up batch by batch, so that memory does not grow with the site.
            self._known = {key: row for key, row in self._known.items() if key[1] != "media"}

    def _unknown(self, site: str, wanted: Missing) -> Missing:
        return {
            table: {(taxonomy, id_) for taxonomy, id_ in keys if (site, table, taxonomy, id_) not in self._known}
            for table, keys in wanted.items()
        }

    def _look_up(self, site: str, missing: Missing) -> None:
        columns: Mapping[str, tuple[str, ...]] = {
            "authors": ("id", "name", "slug"),
            "terms": ("taxonomy", "id", "name", "slug"),
            "media": ("id", "url", "alt", "caption", "width", "height"),
        }
        for table, wanted in missing.items():
            if wanted:
                found = scan(self._lake.table(table), columns[table], [site], {id_ for _, id_ in wanted})
                for row in found.to_pylist():
                    self._known[site, table, row.get("taxonomy", ""), row["id"]] = row

    def _fill(self, site: str, row: Row) -> None:
        for author in row.get("authors") or ():
            known = self._known.get((site, "authors", "", author["id"] or ""), {})
            author.update({name: known[name] for name in ("name", "slug") if author[name] is None and known.get(name)})
        for term in row.get("terms") or ():
            known = self._known.get((site, "terms", term["taxonomy"], term["id"] or ""), {})
            # The table's slug is the site's own; one read from a class name may be shortened.
            term.update({name: known[name] for name in ("name", "slug") if known.get(name)})
        image = row.get("featured_image")
        if image and image.get("id"):
            known = self._known.get((site, "media", "", image["id"]), {})
            image.update({name: known[name] for name in known if name != "id" and known[name] is not None})


def _unnamed(documents: list[Row]) -> Missing:
    missing: Missing = {"authors": set(), "terms": set(), "media": set()}
    for row in documents:
        missing["authors"].update([("", a["id"]) for a in row.get("authors") or () if a["id"] and not a["name"]])
        missing["terms"].update([(t["taxonomy"], t["id"]) for t in row.get("terms") or () if t["id"] and not t["name"]])
        image = row.get("featured_image")
        if image and image.get("id") and not image.get("width"):
            missing["media"].add(("", image["id"]))
    return missing
