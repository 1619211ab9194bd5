<?php
// The hand-written posts: one concern each, found by its slug. $media: attachment ids; $block: reusable block id.
// Keys other than slug, title and content are optional; see wpx_post() in seed.php.

$p = fn (string ...$texts) => implode("\n\n", array_map(
    fn ($text) => "<!-- wp:paragraph -->\n<p>$text</p>\n<!-- /wp:paragraph -->",
    $texts
));
$long = (function () {
    $text = new WpxText(20240229);
    $parts = [];
    for ($i = 1; $i <= 140; $i++) {
        $parts[] = "<!-- wp:heading -->\n<h2>Chapter $i</h2>\n<!-- /wp:heading -->";
        $parts[] = "<!-- wp:paragraph -->\n<p>" . esc_html($text->paragraph('en')) . "</p>\n<!-- /wp:paragraph -->";
    }
    return implode("\n\n", $parts);
})();
$image = fn (int $i) => wp_get_attachment_url($media[$i]);
$duplicate = 'The tide clock on the harbour wall has one hand. It shows six hours of falling water and six of rising, '
    . 'and it has been eleven minutes slow since the wall was raised. The harbour master corrects it in his head, '
    . 'and so do the gulls, who arrive when the boats do and not when the clock says they should.';

return [
    // --- titles and empty things
    ['slug' => 'entities-in-title', 'title' => 'Salt &amp; vinegar: R&D\'s "quoted" <em>crisps</em> – 50% off & more…',
        'content' => $p('Fish &amp; chips, 3 &lt; 5, &copy; 2019, caf&eacute;, &#8364;7 &nbsp; and a literal &amp;amp;.'),
        'categories' => ['maps-charts']],
    ['slug' => 'script-in-title', 'title' => 'Code samples: <script> in a title',
        'content' => $p('A browser must not run <code>&lt;script&gt;alert(1)&lt;/script&gt;</code> from here.')],
    ['slug' => 'empty-title', 'title' => '', 'content' => $p('This post never received a title, only this sentence.')],
    ['slug' => 'empty-body', 'title' => 'Nothing below this line', 'content' => ''],
    ['slug' => 'very-long-title', 'title' => trim(str_repeat('A title that goes on and on ', 30)),
        'content' => $p('The body is short.')],
    ['slug' => 'manual-excerpt', 'title' => 'With an excerpt of its own', 'excerpt' => 'Written by hand, not cut off.',
        'content' => $p('The excerpt above was written by hand; this paragraph does not appear in it.')],
    ['slug' => 'sticky-notice', 'title' => 'Please read first', 'sticky' => true,
        'content' => $p('Sticky posts lead the front page, yet not the REST list.')],
    ['slug' => 'password-protected', 'title' => 'Behind a password', 'password' => 'letmein',
        'content' => $p('The secret ingredient is cardamom.')],
    // --- blocks
    ['slug' => 'gallery', 'title' => 'A gallery of three', 'thumbnail' => $media[0], 'content' =>
        "<!-- wp:gallery {\"linkTo\":\"none\"} -->\n<figure class=\"wp-block-gallery has-nested-images columns-default is-cropped\">"
        . implode('', array_map(fn ($i) => "<!-- wp:image {\"id\":{$media[$i]}} -->\n<figure class=\"wp-block-image size-large\">"
            . "<img src=\"{$image($i)}\" alt=\"Picture $i\" class=\"wp-image-{$media[$i]}\"/>"
            . "<figcaption>Caption number $i</figcaption></figure>\n<!-- /wp:image -->", [0, 1, 2]))
        . "<figcaption class=\"blocks-gallery-caption\">Three at once</figcaption></figure>\n<!-- /wp:gallery -->"],
    ['slug' => 'image-with-caption', 'title' => 'One captioned picture', 'thumbnail' => $media[1], 'content' =>
        $p('Before the picture.') . "\n\n<!-- wp:image {\"id\":{$media[1]},\"sizeSlug\":\"medium\"} -->\n"
        . "<figure class=\"wp-block-image size-medium\"><img src=\"{$image(1)}\" alt=\"A striped field\" "
        . "class=\"wp-image-{$media[1]}\"/><figcaption>Stripes, <em>seen from above</em></figcaption></figure>\n<!-- /wp:image -->\n\n"
        . $p('After the picture.')],
    ['slug' => 'table', 'title' => 'Harbour depths', 'content' =>
        "<!-- wp:table -->\n<figure class=\"wp-block-table\"><table><thead><tr><th>Quay</th><th>Depth (m)</th></tr></thead>"
        . "<tbody><tr><td>North</td><td>4.5</td></tr><tr><td>South | East</td><td>6.25</td></tr>"
        . "<tr><td colspan=\"2\">Not measured: <strong>Old Basin</strong></td></tr></tbody>"
        . "</table><figcaption>Low water, spring tide</figcaption></figure>\n<!-- /wp:table -->"],
    ['slug' => 'quotes', 'title' => 'Two ways to quote', 'content' =>
        "<!-- wp:quote -->\n<blockquote class=\"wp-block-quote\"><p>Measure twice.</p><p>Then measure again.</p>"
        . "<cite>The harbour carpenter</cite></blockquote>\n<!-- /wp:quote -->\n\n<!-- wp:pullquote -->\n"
        . "<figure class=\"wp-block-pullquote\"><blockquote><p>The plank does not forgive.</p><cite>The same</cite>"
        . "</blockquote></figure>\n<!-- /wp:pullquote -->"],
    ['slug' => 'code', 'title' => 'Code and preformatted text', 'content' =>
        "<!-- wp:code -->\n<pre class=\"wp-block-code\"><code>def tide(t):\n    if t &lt; 6 and not t &gt; 12:\n"
        . "        return \"rising &amp; cold\"   # two  spaces</code></pre>\n<!-- /wp:code -->\n\n<!-- wp:preformatted -->\n"
        . "<pre class=\"wp-block-preformatted\">col a   col b\n  1       2</pre>\n<!-- /wp:preformatted -->\n\n"
        . $p('Inline <code>x &amp;&amp; y</code> and <kbd>Ctrl</kbd>.')],
    ['slug' => 'list', 'title' => 'Packing list', 'content' =>
        "<!-- wp:list -->\n<ul><li>Rope</li><li>Lamp oil</li><li>Dry <strong>matches</strong></li></ul>\n<!-- /wp:list -->\n\n"
        . "<!-- wp:list {\"ordered\":true,\"start\":4} -->\n<ol start=\"4\"><li>Cast off</li><li>Steer east</li></ol>\n<!-- /wp:list -->"],
    ['slug' => 'nested-list', 'title' => 'Lists inside lists', 'content' =>
        "<!-- wp:list -->\n<ul><li>Fleet<ul><li>Sail<ol><li>Cutter</li><li>Yawl</li></ol></li><li>Steam</li></ul></li>"
        . "<li>Shore</li></ul>\n<!-- /wp:list -->"],
    ['slug' => 'headings', 'title' => 'Every level of heading', 'content' => implode("\n\n", array_map(
        fn ($n) => "<!-- wp:heading {\"level\":$n} -->\n<h$n id=\"level-$n\">Level $n</h$n>\n<!-- /wp:heading -->\n\n"
            . $p("Text under level $n."),
        [2, 3, 4, 5, 6]
    ))],
    ['slug' => 'embeds', 'title' => 'Things from elsewhere', 'content' =>
        "<!-- wp:embed {\"url\":\"https://www.youtube.com/watch?v=abcdefghijk\",\"type\":\"video\",\"providerNameSlug\":\"youtube\"} -->\n"
        . "<figure class=\"wp-block-embed is-type-video is-provider-youtube\"><div class=\"wp-block-embed__wrapper\">\n"
        . "https://www.youtube.com/watch?v=abcdefghijk\n</div><figcaption>A film of the lock</figcaption></figure>\n<!-- /wp:embed -->\n\n"
        . "<!-- wp:html -->\n<iframe src=\"https://maps.example.org/lock\" title=\"Map of the lock\" width=\"400\" height=\"200\"></iframe>\n<!-- /wp:html -->"],
    ['slug' => 'footnotes', 'title' => 'With footnotes', 'content' => $p('The lock was dug by hand<sup data-fn="note-a" class="fn">'
        . '<a href="#note-a" id="note-a-link">1</a></sup> in a single winter<sup data-fn="note-b" class="fn">'
        . '<a href="#note-b" id="note-b-link">2</a></sup>.') . "\n\n<!-- wp:footnotes /-->",
        'meta' => ['footnotes' => '[{"id":"note-a","content":"By forty hands, in fact."},{"id":"note-b","content":"The winter of 1811."}]']],
    ['slug' => 'columns-and-groups', 'title' => 'Columns, groups, buttons', 'content' =>
        "<!-- wp:group -->\n<div class=\"wp-block-group\"><!-- wp:columns -->\n<div class=\"wp-block-columns\">"
        . "<!-- wp:column -->\n<div class=\"wp-block-column\">" . $p('Left column.') . "</div>\n<!-- /wp:column -->"
        . "<!-- wp:column -->\n<div class=\"wp-block-column\">" . $p('Right column.') . "</div>\n<!-- /wp:column --></div>\n<!-- /wp:columns -->\n"
        . "<!-- wp:buttons -->\n<div class=\"wp-block-buttons\"><!-- wp:button -->\n<div class=\"wp-block-button\">"
        . "<a class=\"wp-block-button__link\" href=\"/about/\">Sign up</a></div>\n<!-- /wp:button --></div>\n<!-- /wp:buttons -->"
        . "<!-- wp:separator -->\n<hr class=\"wp-block-separator\"/>\n<!-- /wp:separator --></div>\n<!-- /wp:group -->"],
    ['slug' => 'reusable-block', 'title' => 'Borrowed paragraph', 'content' =>
        $p('Own words first.') . "\n\n<!-- wp:block {\"ref\":$block} /-->"],
    ['slug' => 'dynamic-blocks', 'title' => 'Blocks computed on each request', 'content' =>
        $p('Newest posts:') . "\n\n<!-- wp:latest-posts {\"postsToShow\":2} /-->\n\n<!-- wp:categories /-->"],
    ['slug' => 'media-blocks', 'title' => 'Sound, film and file', 'content' =>
        "<!-- wp:audio -->\n<figure class=\"wp-block-audio\"><audio controls src=\"/wp-content/uploads/horn.mp3\"></audio>"
        . "<figcaption>The fog horn</figcaption></figure>\n<!-- /wp:audio -->\n\n<!-- wp:file {\"id\":{$media[12]}} -->\n"
        . "<div class=\"wp-block-file\"><a href=\"{$image(12)}\">Tide table</a><a href=\"{$image(12)}\" "
        . "class=\"wp-block-file__button\" download>Download</a></div>\n<!-- /wp:file -->"],
    ['slug' => 'verse-and-details', 'title' => 'Verse, definitions, details', 'content' =>
        "<!-- wp:verse -->\n<pre class=\"wp-block-verse\">The lamp is lit,\n   the rope is wet,\nthe evening has not ended yet.</pre>\n<!-- /wp:verse -->\n\n"
        . "<!-- wp:html -->\n<dl><dt>Bight</dt><dd>A slack part of a rope.</dd></dl>\n<details><summary>More</summary><p>Hidden until "
        . "opened.</p></details>\n<p>H<sub>2</sub>O, 10<sup>3</sup>, <abbr title=\"nautical mile\">nmi</abbr>, <mark>marked</mark>, "
        . "<del>gone</del> <ins>new</ins>.</p>\n<!-- /wp:html -->"],
    // --- markup that is not blocks, or should not be text
    ['slug' => 'classic-editor', 'title' => 'Written before blocks', 'content' =>
        "First line\nsecond line of the same paragraph.\n\nA new paragraph with <strong>bold</strong>.\n\n<!--more-->\n\nBelow the fold."],
    ['slug' => 'shortcodes', 'title' => 'Shortcodes known and unknown', 'content' =>
        "[wpx_box title=\"Warning\"]Wet paint on [wpx_box]the inner box[/wpx_box].[/wpx_box]\n\n[caption id=\"\" align=\"alignleft\" "
        . "width=\"300\"]<img src=\"{$image(2)}\" alt=\"Dots\" /> A classic caption[/caption]\n\n[gallery ids=\"{$media[3]},{$media[4]}\"]"
        . "\n\n[unknown_thing a=\"1\" b='2']kept as text[/unknown_thing]\n\nEscaped: [[wpx_box]]"],
    ['slug' => 'several-pages', 'title' => 'In three pages', 'content' =>
        $p('Page one.') . "\n\n<!-- wp:more -->\n<!--more-->\n<!-- /wp:more -->\n\n<!-- wp:nextpage -->\n<!--nextpage-->\n<!-- /wp:nextpage -->\n\n"
        . $p('Page two.') . "\n\n<!-- wp:nextpage -->\n<!--nextpage-->\n<!-- /wp:nextpage -->\n\n" . $p('Page three.')],
    ['slug' => 'scripts-and-forms', 'title' => 'Markup that is not text', 'content' =>
        "<!-- wp:html -->\n<script>var leaked_script = 1;</script><style>.leaked_style { color: red }</style>"
        . "<noscript>leaked_noscript</noscript><template><p>leaked_template</p></template>"
        . "<p hidden>leaked_hidden</p><form action=\"/subscribe\"><label>Your address <input name=\"mail\"></label>"
        . "<button>Subscribe</button></form><!-- a comment: leaked_comment -->\n<!-- /wp:html -->\n\n" . $p('The only real sentence.')],
    ['slug' => 'broken-html', 'title' => 'Unclosed and crossed tags', 'content' =>
        "<!-- wp:html -->\n<p>One <b>bold <i>both</b> italic</i><div>A div in a paragraph<p>Unclosed <a href=\"/x\">link"
        . "<ul><li>item one<li>item two</ul></span>\n<!-- /wp:html -->"],
    ['slug' => 'links', 'title' => 'All kinds of links', 'content' => $p('See <a href="/about/">about</a>, <a href="#top">the top</a>, '
        . '<a href="https://example.org/a?b=1&amp;c=2" rel="nofollow sponsored">a sponsor</a>, <a href="mailto:desk@example.com">the desk</a>, '
        . '<a href="../../list/">the list</a>, <a href="//example.net/x">no scheme</a>, <a href="javascript:void(0)">nothing</a> and '
        . '<a href="' . home_url('/?p=1') . '"><img src="' . $image(5) . '" alt="a linked picture"></a>.')],
    ['slug' => 'cdata-end', 'title' => 'Ends a CDATA section: ]]> here', 'content' => $p('Inside the body too: ]]&gt; and raw ]]> twice.')],
    ['slug' => 'odd-spaces', 'title' => "Spaces\u{a0}that are not", 'content' => $p("No\u{a0}break, soft\u{ad}hyphen, zero\u{200b}width, "
        . "thin\u{2009}space, ideographic\u{3000}space, line\u{2028}separator, e\u{301} composed from two, \u{feff}a mark of order.")],
    ['slug' => 'control-characters', 'title' => "A bell\x07 in the title", 'content' => $p("Vertical\x0btab, back\x08space, escape\x1b[0m, unit\x1fseparator.")],
    ['slug' => 'smileys', 'title' => 'Smileys become pictures', 'content' => $p('Fine :) or not :( or ;-) and 8:30 stays.')],
    ['slug' => 'texturized', 'title' => 'Quotes "turn" -- and dashes...', 'content' => $p('It\'s 5\'10" tall -- "really" --- (c) 1990s \'90s 2x4...')],
    // --- languages
    ['slug' => 'right-to-left-arabic', 'title' => 'ساعة المد في الميناء', 'tags' => ['languages'], 'content' => $p(
        'للساعة على جدار الميناء عقرب واحد، وهي متأخرة إحدى عشرة دقيقة منذ بناء السور.', 'يعرف الصيادون ذلك، ولا يسألون عنها أحداً.')],
    ['slug' => 'right-to-left-hebrew', 'title' => 'שעון הגאות', 'tags' => ['languages'], 'content' => $p('לשעון שעל קיר הנמל יש מחוג אחד (one hand), והוא מפגר באחת־עשרה דקות.')],
    ['slug' => rawurlencode('港口的钟'), 'title' => '港口的钟', 'tags' => ['languages'], 'content' => $p('港口墙上的钟只有一根指针。自从堤坝加高以后，它一直慢十一分钟。', '渔民们都知道，所以没有人去修它。')],
    ['slug' => 'japanese', 'title' => '港の時計', 'tags' => ['languages'], 'content' => $p('港の壁の時計には針が一本しかない。堤防が高くなってから、いつも十一分遅れている。')],
    ['slug' => 'korean', 'title' => '항구의 시계', 'tags' => ['languages'], 'content' => $p('항구 벽의 시계에는 바늘이 하나뿐이다. 둑을 높인 뒤로 늘 십일 분 늦다.')],
    ['slug' => 'emoji', 'title' => 'Boats ⛵️ and a family 👨‍👩‍👧‍👦', 'content' => $p('Flags 🇮🇸🇵🇹, skin 👍🏽, keycap 3️⃣, and beyond the basic plane: 𝔘𝔫𝔦 𐍈.')],
    ['slug' => 'german', 'title' => 'Die Größe der Schleuse', 'tags' => ['languages'], 'content' => $p('Die Schleuse ist älter als die Straße, die zu ihr führt, und größer, als es die Pläne vermuten lassen.')],
    ['slug' => 'russian', 'title' => 'Часы на причале', 'tags' => ['languages'], 'content' => $p('У часов на причале одна стрелка, и отстают они на одиннадцать минут.')],
    ['slug' => 'hindi', 'title' => 'बंदरगाह की घड़ी', 'tags' => ['languages'], 'content' => $p('बंदरगाह की दीवार पर लगी घड़ी में एक ही सुई है और वह ग्यारह मिनट पीछे चलती है।')],
    ['slug' => 'very-long', 'title' => 'The whole chronicle', 'content' => $long],
    ['slug' => 'near-duplicate-a', 'title' => 'The tide clock', 'content' => $p($duplicate)],
    ['slug' => 'near-duplicate-b', 'title' => 'The tide clock, again', 'content' => $p(str_replace('eleven minutes', 'twelve minutes', $duplicate))],
    // --- dates
    ['slug' => 'date-1969', 'title' => 'Before the epoch', 'date' => '1969-07-20 15:17:40', 'modified' => '2018-02-01 10:00:00', 'content' => $p('Dated by its author, not by the software.')],
    ['slug' => 'date-2099', 'title' => 'Published in the future', 'date' => '2099-12-31 23:59:59', 'modified' => '2018-02-01 11:00:00', 'content' => $p('Status publish, date far ahead.')],
    ['slug' => 'zero-gmt', 'title' => 'Imported without GMT dates', 'date' => '2018-07-04 08:54:39', 'date_gmt' => '0000-00-00 00:00:00', 'modified_gmt' => '0000-00-00 00:00:00',
        'content' => $p('An importer left both GMT columns at zero.')],
    ['slug' => 'dst-first', 'title' => 'Half past one, daylight time', 'date' => '2023-11-05 01:30:00', 'date_gmt' => '2023-11-05 06:30:00', 'content' => $p('The first 01:30 of that night.')],
    ['slug' => 'dst-second', 'title' => 'Half past one, standard time', 'date' => '2023-11-05 01:30:00', 'date_gmt' => '2023-11-05 07:30:00', 'content' => $p('The second 01:30 of that night.')],
    ...array_map(fn ($i) => ['slug' => "written-in-utc-$i", 'title' => "When the site was UTC, part $i", 'date' => "2017-04-0$i 12:00:00",
        'date_gmt' => "2017-04-0$i 12:00:00", 'content' => $p("Local and GMT are equal in row $i.")], [1, 2, 3, 4, 5]),
    // --- broken references
    ['slug' => 'missing-author', 'title' => 'By somebody who left', 'author' => 99, 'content' => $p('The account was deleted, the post stayed.')],
    ['slug' => 'dangling-featured-image', 'title' => 'The picture is gone', 'thumbnail' => 999999, 'content' => $p('Its featured image was deleted.')],
    ['slug' => 'featured-image-of-draft', 'title' => 'Borrowed from a draft', 'thumbnail' => $media[13], 'content' => $p('Its featured image hangs on an unpublished post.')],
    ['slug' => 'custom-fields', 'title' => 'With custom fields', 'meta' => ['mood' => 'calm', '_hidden' => 'not for display', 'stops' => ['north', 'south']],
        'categories' => ['harbours', 'locks', 'lock-gates', 'sluices'], 'tags' => ['tides', 'ropes', 'fog'], 'content' => $p('Meta that REST does not show.')],
    ['slug' => 'many-comments', 'title' => 'Everybody has an opinion', 'content' => $p('See below.')],
    ['slug' => 'comments-closed', 'title' => 'No opinions, please', 'comment_status' => 'closed', 'content' => $p('Nothing below.')],
];
