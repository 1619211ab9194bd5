"""Square-bracket leftovers of WordPress plugins: which `[…]` is a shortcode and which is prose."""

from __future__ import annotations

import re
from typing import Final

from flows.extraction.boilerplate import words

# `[name]`, `[/name]`, `[name a="x"]`; a doubled `[[gallery]]` is escaped.
_TAG: Final = re.compile(r"(?<!\[)\[(/?)([A-Za-z][\w-]{1,60})((?:[ \t\n\xa0]|=)[^\[\]]*)?(/?)\]")
# WordPress turns the quotes of an unknown shortcode typographic, so any quote mark counts.
_ATTRIBUTE: Final = re.compile(r"^[\s\xa0]+(?:[\w-]+\s*=\s*[\"'“”„″′’‘»«&\w#/.-]|[\"“”″][^\"“”″]*[\"“”″]\s*$)")
# Removed even without attributes. Words an editor might put in brackets ("[video]", "[map]") are not here.
_KNOWN: Final = words(
    "gallery caption wp_caption embed playlist toc contact-form contact-form-7 gravityform wpforms "
    "ninja_form mc4wp_form product_page recent_products add_to_cart recent_posts display-posts "
    "rev_slider metaslider smartslider3 layerslider soliloquy envira-gallery ngg nggallery nggalbum "
    "imagebrowser one_half one_third two_third one_fourth three_fourth one_half_last one_third_last "
    "two_third_last one_fourth_last nextpage related_posts yarpp addtoany sharethis "
    "jetpack-related-posts jetpack_subscription_form googlemaps sourcecode insert_php adrotate adsense "
    "quads tablepress printfriendly elementor-template wpseo_breadcrumb ez-toc lwptoc wp_sitemap_page"
)
_FAMILIES: Final = tuple(
    words(
        "vc_ et_pb_ fusion_ av_ su_ tm_ mk_ cs_ x_ qode_ mkdf_ nectar_ ultimate_ dt_ thrive_ op_ ux_ tatsu_ "
        "themify_ siteorigin_ wpb_ bsf- rev_ fl_ ngg_ gdlr_ woocommerce_ ea_ wpdm_ ct_ trx_"
    )
)

# Unclosed openings make the lazy patterns below quadratic; lengths and this bound keep them from it.
_MOST_BRACKETS: Final = 5000
_CAPTION: Final = re.compile(
    r"\[(?:wp_)?caption\b[^\]]{0,999}\](.{0,2999}?(?:<img\b[^>]*>)(?:\s*</a>)?)(.{0,9999}?)\[/(?:wp_)?caption\]",
    re.S | re.I,
)
_MEDIA: Final = re.compile(
    r"\[(audio|video)\b[^\]]*?\b(?:src|mp3|mp4|m4a|m4v|ogg|ogv|webm|wav)=[\"']([^\"']+)[\"'][^\]]*\](?:\s*\[/\1\])?",
    re.I,
)
_CODE: Final = re.compile(
    r"\[(code|sourcecode)(?:\s+(?:lang(?:uage)?=)?[\"']?([\w+#-]*)[\"']?[^\]]{0,999})?\](.{0,99999}?)\[/\1\]",
    re.S | re.I,
)


def expand_known(html: str) -> str:
    """Turn the shortcodes that hold content in an unrendered post into the HTML WordPress would have written.

    Captions, audio, video and code only. A rendered post holds none of them and pays one substring test.
    """
    if "[" not in html:
        return html
    if html.count("[") > _MOST_BRACKETS:
        return html
    if "caption]" in html:
        html = _CAPTION.sub(r"<figure>\1<figcaption>\2</figcaption></figure>", html)
    if "[audio" in html or "[video" in html:
        html = _MEDIA.sub(r'<\1 src="\2"></\1>', html)
    if "code]" in html and "<code>[" not in html:
        html = _CODE.sub(r'<pre data-lang="\2">\3</pre>', html)
    return html


def closing_names(html: str) -> frozenset[str]:
    """Names opened and closed in the document: `[b]…[/b]` is markup without attributes, a lone `[/b]` a joke."""
    if "[/" not in html:
        return frozenset()
    return frozenset(name for name in re.findall(r"\[/([A-Za-z][\w-]{0,60})\]", html) if f"[{name}" in html)


def strip_shortcodes(text: str, closed: frozenset[str] = frozenset()) -> str:
    """Remove shortcode tags from one text node; what stands between an opening and a closing tag stays.

    Kept: `[sic]`, `[1]`, `[…]`, `row[x]`, `[type=text]`. Removed: tags with `name="value"` attributes, names
    of well-known plugins, and names in `closed`.
    """

    def verdict(match: re.Match[str]) -> str:
        slash, name, rest, end = match.groups()
        known = name in _KNOWN or name in closed
        if name.startswith(_FAMILIES):
            return ""
        if slash:
            if not known or rest:
                return match.group()
            return " " if text[match.end() : match.end() + 1] == "[" else ""  # two columns side by side
        if rest and _ATTRIBUTE.match(rest):
            return ""
        before = text[match.start() - 1 : match.start()]
        if before.isalnum() or before == "_" or (before in ("]", ")") and not known):  # an index: `row[x]`
            return match.group()
        return "" if name in closed or (not rest and (end or known)) else match.group()

    return _TAG.sub(verdict, text) if "]" in text else text
