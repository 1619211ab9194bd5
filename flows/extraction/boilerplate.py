"""What surrounds an article without being part of it: tags, classes and inline styles the walker leaves out.

Names are matched as whole class tokens or as prefixes of one token, never as substrings: `widget`, `meta` or
`related` as substrings delete the bodies of page builders (`elementor-widget-text-editor`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final


def words(names: str) -> frozenset[str]:
    """Split a list of names."""
    return frozenset(names.split())


DROPPED_TAGS: Final = words(
    "script style noscript template nav select option optgroup datalist input textarea progress meter "
    "head title meta link base canvas map area dialog frameset frame param colgroup col "
    "svg rp applet basefont noembed noframes"
)

_TOKENS: Final = words(
    # sharing and liking
    "sharedaddy jp-relatedposts jetpack-likes-widget-wrapper social-warfare swp_social_panel "
    "wp-block-social-links shareaholic-canvas addtoany_share_save_container addtoany_content "
    "post-share-buttons share-buttons social-share social-sharing sharing-buttons share-post "
    "entry-share post-sharing fb-like fb-share-button fb-comments twitter-share-button "
    "twitter-follow-button pin-it-button g-plusone et_pb_social_media_follow essb_links "
    "scriptlesssocialsharing sfsi_widget sfsiplus_norm_row printfriendly pf-content-print "
    # related posts and other lists the theme or a plugin appends
    "yarpp yarpp-related related-posts related_posts relatedposts related-articles crp_related "
    "rp4wp-related-posts wp_rp_wrap wp_rp_content zem_rp_wrap uprp-related irp rpbt_shortcode "
    "contextual-related wp-block-latest-posts wp-block-latest-comments wp-block-archives "
    "wp-block-categories wp-block-tag-cloud wp-block-search wp-block-loginout wp-block-calendar "
    "wp-block-rss wp-block-page-list wp-block-navigation wp-block-comments wp-block-post-comments "
    "wp-block-post-comments-form wp-block-post-navigation-link wp-block-jetpack-related-posts "
    "wp-block-jetpack-subscriptions wp-block-jetpack-sharing-buttons wp-block-jetpack-like "
    "wp-block-query-pagination wp-block-file__button "
    # tables of contents, and what only a screen reader is told
    "ez-toc-container ez-toc-counter toc_container lwptoc wp-block-rank-math-toc-block simpletoc "
    "wp-block-yoast-seo-table-of-contents wp-block-simpletoc-toc rank-math-toc kb-table-of-content-nav "
    "wp-block-kadence-tableofcontents wp-block-uagb-table-of-contents uagb-toc__wrap "
    "aioseo-toc-contents wp-block-aioseo-table-of-contents table-of-contents-container "
    "screen-reader-text screen-reader-shortcut sr-only visually-hidden visuallyhidden skip-link "
    "show-for-sr elementor-screen-only "
    # navigation and "continue reading"
    "more-link read-more-link post-navigation posts-navigation nav-links nav-links-container page-links "
    "post-nav pagination breadcrumb breadcrumbs yoast-breadcrumbs rank-math-breadcrumb link-more "
    # forms and sign-up boxes
    "wpcf7 gform_wrapper wpforms-container wpforms-form mc4wp-form mailpoet_form ninja-forms-form-wrap "
    "nf-form-cont frm_forms forminator-ui caldera-grid newsletter-signup et_bloom_form_container tnp "
    "jetpack_subscription_widget wp-block-mailpoet-subscription-form-block wp-block-contact-form "
    "wp-block-jetpack-contact-form "
    # advertising
    "adsbygoogle adinserter advads quads-location google-auto-placed ai-viewports ezoic-ad "
    "ezoic-adpicker-ad wpcnt wordads-ad code-block-center ad-container ad-slot advertisement "
    # author boxes, ratings, counters, comments, cookie notices
    "saboxplugin-wrap abh_box author-box m-a-box pp-multiple-authors-boxes-wrapper kk-star-ratings "
    "post-ratings wp-postratings rmp-widgets-container rmp-main yasr-visitor-votes pvc_stats post-views "
    "tptn_counter comments-area comment-respond commentlist comment-form cookie-notice cookie-banner "
    "edit-link post-edit-link "
    # code viewers' furniture
    "crayon-nums crayon-toolbar line-numbers-rows copy-code-button copy-to-clipboard-button "
    "enlighter-toolbar enlighter-toolbar-top code-block-copy-button wp-playlist-script "
    # the drawn twin of a formula that MathML holds as well
    "katex-html"
)

_PREFIXES: Final = tuple(
    words(
        "sd-block sd-social sd-sharing sd-content sd-title jp-relatedposts a2a_ addthis_ heateor_sss_ "
        "heateorSss ssba- ss-social ss-inline essb_ mashsb- swp_ dpsp- simplesocial novashare- shareaholic "
        "wp_rp yarpp crp_ ez-toc- lwptoc wpcf7- gform_ wpforms- advads- adsanity ai-viewport ezoic-ad kksr- "
        "kk-star yasr- rmp- cmplz- moove-gdpr cky- jetpack-likes elementor-widget-share-buttons "
        "elementor-widget-table-of-contents elementor-widget-post-navigation elementor-post-navigation "
        "elementor-widget-author-box elementor-widget-form elementor-widget-nav-menu "
        "elementor-widget-search elementor-widget-social-icons elementor-widget-post-comments "
        "elementor-widget-breadcrumbs et_social_ et_bloom et_pb_contact et_pb_signup et_pb_comments "
        "et_pb_post_nav fusion-sharing-box fusion-social widget_recent_ widget_categories widget_archive "
        "widget_meta widget_search widget_nav_menu widget_tag_cloud wp-block-post-navigation"
    )
)

_IDS: Final = words(
    "toc_container toc-container comments respond jp-post-flair jp-relatedposts author-box comment-form "
    "ez-toc-container cookie-notice cookie-law-info-bar"
)

# Ad Inserter numbers its wrappers; the bare class `code-block` is somebody's real code.
_NUMBERED_AD: Final = re.compile(r"^(?:code-block-\d+|quads-ad\d+|ads?-\d+)$")

# Inside these, hidden means "not opened yet": a reader gets to the text with one click.
_REACHABLE: Final = re.compile(
    r"tab|accordion|toggle|collaps|spoiler|faq|panel|details|answer|expand|reveal|read-?more|hidden-content",
    re.I,
)
_HIDING_STYLE: Final = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.I)


@lru_cache(maxsize=8192)
def is_boilerplate_class(value: str) -> bool:
    """Tell whether a `class` attribute names furniture; cached, because themes repeat themselves."""
    for token in value.split():
        if token in _TOKENS or token.startswith(_PREFIXES) or _NUMBERED_AD.match(token):
            return True
    return False


@lru_cache(maxsize=2048)
def is_boilerplate_id(value: str) -> bool:
    """Tell whether an `id` attribute names furniture."""
    return value in _IDS


def is_hidden(style: str | None, hidden: str | None, names: str) -> bool:
    """Tell whether a reader never sees the element.

    `aria-hidden` is no reason (closed accordions carry it), nor is `display:none` on a tab panel or a
    spoiler.

    Args:
        style: The `style` attribute.
        hidden: The `hidden` attribute; an empty string means set.
        names: Class, id and role, joined, to recognise panels that open on a click.
    """
    if hidden is not None:
        return hidden != "until-found" and not _REACHABLE.search(names)
    return bool(style and _HIDING_STYLE.search(style)) and not _REACHABLE.search(names)
