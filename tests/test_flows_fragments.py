"""Fragments: what must survive, what must not appear, and that text and Markdown say the same."""

import html
import json
import re
import subprocess
import sys
import time
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html
from markdown_it import MarkdownIt

from flows.extraction.autop import add_paragraphs
from flows.extraction.fragments import Extracted, extract_fragment, plain_inline, walker_for

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def rendered(markdown: str) -> str:
    return " ".join(lxml_html.fromstring(f"<div>{RENDERER.render(markdown)}</div>").itertext())


# (name, html, must survive in the text, must not appear in text or Markdown)
CASES = [
    ("paragraphs", "<p>First one.</p>\n\n<p>Second one.</p>", ["First one.\n\nSecond one."], []),
    ("loose text in "
    "divs", "<div>Loose start<p>Para</p>loose end</div>after", ["Loose start", "loose end", "after"], []),
    ("text after stray end tags", "<p>One</p></div></div><p>Two</p>tail", ["One", "Two", "tail"], []),
    ("block comments", "<!-- wp:paragraph --><p>Kept</p><!-- /wp:paragraph --><!--more--><p>Also</p>",
     ["Kept", "Also"], ["wp:", "more"]),
    ("line breaks", "<p>12 Mill Lane<br>Ashford<br />Kent</p>", ["12 Mill Lane\nAshford\nKent"], []),
    ("double breaks are paragraphs", "Alpha<br><br>Beta", ["Alpha\n\nBeta"], []),
    ("nested lists", "<ul><li>Tea<ul><li>Green<ol><li>Sencha</li></ol></li></ul></li><li>Coffee</li></ul>",
     ["- Tea\n  - Green\n    1. Sencha\n- Coffee"], []),
    ("list inside list without item", "<ul><li>One</li><ul><li>Inner</li></ul><li>Two</li></ul>",
     ["- One\n  - Inner\n- Two"], []),
    ("numbered from five", '<ol start="5"><li>Five</li><li>Six</li><li value="9">Nine</li></ol>',
     ["5. Five\n6. Six\n9. Nine"], []),
    ("paragraphs in items", "<ul><li><p>Head</p><p>Body</p></li></ul>", ["- Head\n  Body"], []),
    ("data "
    "table", "<table><thead><tr><th>City</th><th>Rain</th></tr></thead><tbody><tr><td>Oslo</td><td>800</td>"
     "</tr></tbody></table>", ["City | Rain\nOslo | 800"], []),
    ("headless table with spans", '<table><tr><td rowspan="2">Tall</td><td>a</td></tr><tr><td>b</td></tr>'
     '<tr><td colspan="2">wide</td></tr></table>', ["Tall | a\n | b\nwide |"], []),
    ("layout "
    "table", "<table><tr><td><p>Only "
    "column</p><p>Second</p></td></tr></table>", ["Only column\n\nSecond"], []),
    ("table caption", "<figure class='wp-block-table'><table><tr><td>x1</td><td>y1</td></tr></table>"
     "<figcaption>Measured in May</figcaption></figure>", ["x1 | y1", "Measured in May"], []),
    ("figure "
    "caption", '<figure><img src="/a.jpg" alt="A mill"><figcaption>The mill at dawn</figcaption></figure>',
     ["The mill at dawn"], []),
    ("quote with citation", "<blockquote><p>Less is more.</p><cite>M. van der Rohe</cite></blockquote>",
     ["Less is more.", "M. van der Rohe"], []),
    ("pullquote "
    "figure", '<figure class="wp-block-pullquote"><blockquote><p>Pulled words</p></blockquote></figure>',
     ["Pulled words"], []),
    ("aside and footer stay", "<aside>Margin note</aside><footer>Signed by the editor</footer>",
     ["Margin note", "Signed by the editor"], []),
    ("definition "
    "list", "<dl><dt>Sluice</dt><dd>A gate for water</dd></dl>", ["Sluice", "A gate for water"], []),
    ("details", "<details><summary>More on locks</summary><p>Hidden until opened</p></details>",
     ["More on locks", "Hidden until opened"], []),
    ("closed accordion", '<div class="accordion"><h3><button aria-expanded="false">Why?</button></h3>'
     '<div aria-hidden="true" style="display:none" class="accordion-panel"><p>Because.</p></div></div>',
     ["Why?", "Because."], []),
    ("hidden text", '<p>Seen</p><p style="display: none">unseen words</p><p hidden>also unseen</p>',
     ["Seen"], ["unseen"]),
    ("script style "
    "template", "<p>Body</p><script>var leak=1</script><style>.leak{}</style><template>leak</template>"
     "<noscript>leak</noscript>", ["Body"], ["leak"]),
    ("sharing widget", '<p>Body</p><div class="sharedaddy sd-sharing-enabled"><h3>Share this:</h3></div>',
     ["Body"], ["Share this"]),
    ("related "
    "posts", '<p>Body</p><div id="jp-relatedposts" class="jp-relatedposts"><a href="/x">Elsewhere</a></div>',
     ["Body"], ["Elsewhere"]),
    ("screen reader "
    "text", '<p>Go <a href="/d">on<span class="screen-reader-text"> about locks</span></a></p>',
     ["Go on"], ["about locks"]),
    ("table of contents", '<div id="ez-toc-container" class="ez-toc-v2"><p>Contents</p></div><h2>Real</h2>',
     ["Real"], ["Contents"]),
    ("navigation", '<nav><a href="/p">Previous</a></nav><p>Body</p>', ["Body"], ["Previous"]),
    ("form", "<p>Body</p><form><label>Your name</label><input><button>Send</button></form>", ["Body"],
     ["Your name", "Send"]),
    ("page builder class is no "
    "widget", '<div class="elementor-widget elementor-widget-text-editor"><p>Built</p></div>',
     ["Built"], []),
    ("words like widget names", '<p class="related meta embed banner social">Plain paragraph</p>',
     ["Plain paragraph"], []),
    ("real code in a code-block class", '<div class="code-block"><p>kept code</p></div>'
     '<div class="code-block code-block-2">advert</div>', ["kept code"], ["advert"]),
    ("one-word paragraphs", "<p>Facebook</p><p>PDF</p>", ["Facebook", "PDF"], []),
    ("link round-up", '<ul><li><a href="https://a.example/1">First find</a></li>'
     '<li><a href="https://b.example/2">Second find</a></li></ul>', ["- First find\n- Second find"], []),
    ("code "
    "block", '<pre class="wp-block-code"><code class="language-python">def f(x):\n    return x[0]  # '
    '[gallery]\n'
     "</code></pre>", ["def f(x):\n    return x[0]  # [gallery]"], []),
    ("highlighter "
    "lines", "<pre><ol><li>let a = 1;</li><li>let b = 2;</li></ol></pre>", ["let a = 1;\nlet b = 2;"], []),
    ("verse", '<pre class="wp-block-verse">The tide\n  goes out\nat '
    'noon</pre>', ["The tide\ngoes out\nat noon"], []),
    ("inline code", "<p>Run <code>a_b *c*</code> twice</p>", ["Run a_b *c* twice"], []),
    ("shortcodes go", '<p>[vc_row full_width=&#8221;yes&#8221;]Inside[/vc_row] [gallery ids="1,2"] end</p>',
     ["Inside", "end"], ["vc_row", "gallery", "ids"]),
    ("brackets stay", "<p>He wrote [sic] and row[x] = 1 [1] [Video] [type=text]</p>",
     ["He wrote [sic] and row[x] = 1 [1] [Video] [type=text]"], []),
    ("caption "
    "shortcode", '[caption id="a" width="3"]<img src="/i.png" /> A '
    'boat[/caption]', ["A boat"], ["caption", "width"]),
    ("embed as bare "
    "address", '<figure class="wp-block-embed"><div>\nhttps://video.example/watch?v=a_b_c\n</div></figure>',
     ["https://video.example/watch?v=a_b_c"], []),
    ("footnotes", '<p>Claim<sup class="fn"><a href="#n1">1</a></sup>.</p><ol class="wp-block-footnotes">'
     '<li id="n1">The source. <a href="#r1">↩︎</a></li></ol>', ["Claim[1].", "1. The source."], ["↩"]),
    ("superscripts", "<p>10<sup>6</sup> on the 1<sup>st</sup>, "
    "CO<sub>2</sub></p>", ["10⁶ on the 1st, CO2"], []),
    ("entities", "<p>Fish &amp; chips &lt;b&gt; &#8217;tis &hellip; "
    "&amp;amp;</p>", ["Fish & chips <b> ’tis … &amp;"], []),
    ("persian joiner and emoji", "<p>می‌خواهم 👨‍👩‍👧 🏳️‍🌈</p>", ["می‌خواهم 👨‍👩‍👧 🏳️‍🌈"], []),
    ("right to left", '<p dir="rtl">שלום <b>עולם</b></p>', ["שלום עולם"], []),
    ("chinese lines", "<p>中文句子\n继续写</p>", ["中文句子继续写"], []),
    ("emoji "
    "image", '<p>Done <img class="emoji" alt="🙂" src="https://s.w.org/x"></p>', ["Done 🙂"], ["s.w.org"]),
    ("heading in a link "
    "card", '<a href="/card"><h3>Card head</h3><p>Card body</p></a>', ["Card head", "Card body"], []),
    ("control "
    "characters", "<p>be\x00fore\x0b af\x1fter \ud83d\ude00 \ud800</p>", ["before after 😀"], ["\x00"]),
    ("windows characters", "<p>it&#146;s\x92 &#x85;</p>", ["it’s’ …"], []),
    ("neighbouring links", '<a href="/1">water</a><a href="/2">bottles</a>', ["water bottles"], []),
]  # fmt: skip


@pytest.mark.parametrize(("source", "kept", "gone"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("inside_a_post", [False, True])
def test_fragment(source: str, kept: list[str], gone: list[str], inside_a_post: bool) -> None:
    if inside_a_post:
        filler = "<p>The council of the small town met again to talk about the bridge, at length.</p>"
        source = filler * 4 + source + filler * 4
    found = extract_fragment(source, base_url="https://example.com/post/")
    for text in kept:
        assert text in found.text
    for text in gone:
        assert text not in found.text
        assert text not in found.markdown


@pytest.mark.parametrize("source", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_markdown_renders_to_the_same_words(source: str) -> None:
    found = extract_fragment(source, base_url="https://example.com/post/")
    shown = words(rendered(found.markdown))
    numbers = {line.split(". ")[0].strip() for line in found.text.split("\n") if re.match(r"\s*\d+\. ", line)}
    missing = [word for word in words(found.text) if word not in shown and word not in numbers]
    assert missing == []


@pytest.mark.parametrize(
    "text",
    [
        "1. May was cold", "# not a heading", "- not an item", "+ 3 degrees", "> not a quote", "a * b * c",
        "snake_case and "
        "_edges_", "`ticks`", "[label](https://x.example)", "back\\slash \\* star", "&amp; stays",
        "<b>tag</b>", "~~not "
        "struck~~", "---", "===", "C #", "wow! [x]", "| a | b |", "![image](x)", "5) five",
        "*", "**bold**", "<https://a.example>", "&copy; 2020", "http://x.example/a_b_c and on",
    ],
)  # fmt: skip
def test_text_that_looks_like_markup_reads_the_same_after_rendering(text: str) -> None:
    source = f"<p>{html.escape(text)}</p>"
    for wrapped in (
        source,
        source.replace("<p>", "<h2>").replace("</p>", "</h2>"),
        f"<ul><li>{source}</li></ul>",
    ):
        found = extract_fragment(wrapped)
        assert text in found.text
        shown = lxml_html.fromstring(f"<div>{RENDERER.render(found.markdown)}</div>").text_content()
        assert shown.strip() == text


STRUCTURE = [
    ("<h2>Of <em>mills</em></h2>", "## Of *mills*"),
    ("<p><strong>bold </strong>text</p>", "**bold** text"),
    ("<p><b>one</b><b>two</b></p>", "**onetwo**"),
    ("<p><b><strong>once</strong></b></p>", "**once**"),
    ("<p>x<strong>“quoted”</strong>y</p>", "x“quoted”y"),
    ("<p>Hi!<a href='/a'>there</a></p>", "Hi\\![there](https://example.com/a)"),
    ("<p><a href='/w (1).html'>w</a></p>", "[w](<https://example.com/w%20(1).html>)"),
    ("<p><del>old</del> new</p>", "~~old~~ new"),
    ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
    ("<ul><li>a</li></ul><ul><li>b</li></ul>", "- a\n\n* b"),
    ("<ol><li>a<ul><li>b</li></ul></li></ol>", "1. a\n   - b"),
    ("<ul><li>a<pre>code\n\nmore</pre></li></ul>", "- a\n\n  ```\n  code\n\n  more\n  ```"),
    ("<pre>```\nx</pre>", "````\n```\nx\n````"),
    ("<p><code>a`b</code></p>", "``a`b``"),
    ("<pre class='brush: php; gutter: true'>echo;</pre>", "```php\necho;\n```"),
    ("<table><tr><th>a|b</th><th>c</th></tr></table>", "| a\\|b | c |\n| --- | --- |"),
    ("<table><tr><td><p>a</p><p>b</p></td><td>c</td></tr></table>", "| a<br>b | c |\n| --- | --- |"),
    ("<p>a</p><hr><hr><p>b</p>", "a\n\n---\n\nb"),
    ("<dl><dt>t</dt><dd>d</dd></dl>", "**t**\n\nd"),
    ("<iframe src='https://v.example/e/1' title='A film'></iframe>", "[A film](https://v.example/e/1)"),
    ("<p>see https://a.example/x_y.</p>", "see <https://a.example/x_y>."),
]


@pytest.mark.parametrize(("source", "markdown"), STRUCTURE)
def test_markdown_structure(source: str, markdown: str) -> None:
    assert extract_fragment(source, base_url="https://example.com/p/").markdown == markdown


def test_links_are_absolute_and_know_the_site() -> None:
    found = extract_fragment(
        '<p><a href="../b?x=1" rel="nofollow noopener">in <b>bold</b></a> <a '
        'href="https://WWW.example.com/c">host</a> '
        '<a href="//cdn.example.net/f">out</a> <a href="mailto:a@example.com">mail</a> <a '
        'href="#top">top</a> '
        '<a href="javascript:void(0)">js</a> <a href="http://[bad">bad</a> www.plain.example</p>',
        base_url="https://example.com/a/p/",
    )
    assert [(link["url"], link["text"], link["is_internal"]) for link in found.links] == [
        ("https://example.com/a/b?x=1", "in bold", True),
        ("https://WWW.example.com/c", "host", True),
        ("https://cdn.example.net/f", "out", False),
        ("mailto:a@example.com", "mail", False),
        ("http://[bad", "bad", False),
        ("http://www.plain.example", "www.plain.example", False),
    ]
    assert found.links[0]["rel"] == "nofollow noopener"
    assert found.links[1]["rel"] is None


def test_images_lazy_sources_captions_and_trackers() -> None:
    found = extract_fragment(
        '<figure><img src="data:image/gif;base64,R0" data-src="/real.jpg" alt="Lock &amp; '
        'weir"><figcaption>Old '
        'lock</figcaption></figure><img src="data:image/png;base64,AAAA"><img src="https://t.example/p" '
        'width="1" '
        'height="1"><div class="wp-caption"><img src="b.png"><p class="wp-caption-text">Boat</p></div>'
        '<img class="lazyload" src="/blank.gif" data-srcset="/c.jpg 2x">',
        base_url="https://example.com/p/",
    )
    assert found.images == [
        {"url": "https://example.com/real.jpg", "alt": "Lock & weir", "caption": "Old lock"},
        {"url": "https://example.com/p/b.png", "alt": None, "caption": "Boat"},
        {"url": "https://example.com/c.jpg", "alt": None, "caption": None},
    ]
    assert "data:" not in found.markdown
    assert found.text == "Old lock\n\nBoat"


def test_gallery_captions_stay_with_their_pictures() -> None:
    found = extract_fragment(
        '<figure class="wp-block-gallery"><figure><img '
        'src="https://e.example/1.jpg"><figcaption>One</figcaption>'
        '</figure><figure><img src="https://e.example/2.jpg"></figure><figcaption>All</figcaption></figure>'
    )
    assert [image["caption"] for image in found.images] == ["One", "All"]
    assert found.text == "One\n\nAll"


def test_headings_in_order_with_levels() -> None:
    found = extract_fragment("<h2>One <small>more</small></h2><p>x</p><h4>Two</h4><h3><img src='/i.png'></h3>")
    assert found.headings == [{"level": 2, "text": "One more"}, {"level": 4, "text": "Two"}]


def test_unrendered_content_gets_paragraphs() -> None:
    source = "First line\nsecond line\n\nNext para\n<blockquote>Said\n\nso</blockquote>\n" \
             "<ul>\n<li>item</li>\n</ul>\n" \
             "<pre>a\n\nb</pre>\nLast"  # fmt: skip
    found = extract_fragment(source, autop=True)
    assert found.text == "First line\nsecond line\n\nNext para\n\nSaid\n\nso\n\n- item\n\na\n\nb\n\nLast"


def test_block_content_is_not_given_paragraphs() -> None:
    source = "<!-- wp:paragraph -->\n<p>a\nb</p>\n<!-- /wp:paragraph -->"
    assert add_paragraphs(source) == source


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("Rock &#038; Roll &#8217;n&#8217; tea", "Rock & Roll ’n’ tea"),
        ("Code samples: <script> in a title", "Code samples: <script> in a title"),
        ("An <em>old</em> mill<br>again", "An old mill again"),
        ("a < b &amp;lt; c", "a < b &lt; c"),
        ("Maps &amp; Charts", "Maps & Charts"),
        ("R&amp;D", "R&D"),
        ("  two\n words&nbsp; ", "two words"),
        ("<p>Excerpt [&hellip;]</p>\n<noscript><img></noscript>", "Excerpt […]"),
        ("x <style>.a{}</style> y", "x y"),
        ("List<String> explained", "List<String> explained"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("", ""),
    ],
)
def test_plain_inline(source: str, title: str) -> None:
    assert plain_inline(source) == title


def test_empty() -> None:
    for source in ("", "  \n", "<!-- nothing -->", "<p></p>", "[gallery]"):
        assert extract_fragment(source) == Extracted("", "", [], [], [])


@pytest.mark.parametrize("tag", ["div", "span", "b", "ul><li", "blockquote", "a href='/x'", "table><tr><td"])
@pytest.mark.parametrize("depth", [260, 2_000, 100_000])
def test_deep_nesting_keeps_the_words_and_ends(tag: str, depth: int) -> None:
    found = extract_fragment(f"<p>before</p>{f'<{tag}>' * depth}deep<p>after</p>", base_url="https://example.com/")
    assert re.findall("before|deep|after", found.text)[:3] == ["before", "deep", "after"]


def test_ten_megabytes_take_linear_time() -> None:
    paragraph = '<p>Some <b>words</b> about [x] <a href="/a">locks</a> &amp; weirs.</p>\n'

    def seconds(size: int) -> float:
        source = paragraph * (size // len(paragraph))
        start = time.process_time()
        extract_fragment(source)
        return time.process_time() - start

    assert seconds(10_000_000) < 16 * max(seconds(1_000_000), 0.05)


@pytest.mark.parametrize(
    "source",
    [
        "[" * 200_000,
        "<" * 200_000,
        "![" * 100_000,
        "`" * 100_000,
        "&" * 200_000,
        "[a b" * 50_000,
        "[caption]" * 30_000,
        "[code]x" * 30_000,
        "<script>" * 20_000,
        "[caption x]<img>" * 20_000,
        "[video src=" * 20_000,
        "<!--" * 40_000,
        "</b" * 60_000,
        '<p class="' * 30_000,
        "_ " * 90_000,
    ],
)
def test_hostile_repetition_ends(source: str) -> None:
    start = time.process_time()
    extract_fragment(source)
    plain_inline(source)
    assert time.process_time() - start < 5


def test_import_is_quick_and_light() -> None:
    code = "import flows.extraction.fragments, sys, json; print(json.dumps([m for m in sys.modules]))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)
    heavy = {"trafilatura", "py3langid", "resiliparse", "prefect", "html_to_markdown", "numpy", "pyarrow"}
    assert heavy.isdisjoint(loaded)


@given(
    st.sampled_from(
        ["https://example.org/a/b?c#d", "http://u@Example.org:80", "//host/x", "folder/page.html", "mailto:a@b"]
    ),
    st.text("/ab.%~é?#:;, ").map("/".__add__),
)
def test_addresses_are_resolved_as_the_standard_library_does(base: str, url: str) -> None:
    assert walker_for(base).absolute(url) == urljoin(base, url)
