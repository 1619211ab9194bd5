<?php
// Deterministic prose for the generated posts, and their bulk insertion.

final class WpxText
{
    // Written for this test site; {slots} are filled from WORDS.
    private const TEMPLATES = [
        'en' => [
            'The {thing} in {place} was repaired by {person} after the {season} floods.',
            '{person} keeps a list of every {thing} that passes through {place}.',
            'Nobody had counted the {thing}s before {month}, and {number} was more than anyone guessed.',
            'We walked from {place} to {place} with a borrowed {thing} and two maps that disagreed.',
            'If you ask {person} about it, the answer starts with a {thing} and ends in {place}.',
            'A {adjective} {thing} costs about {number} coins at the {season} market.',
            'In {month} the ferry to {place} runs {number} times a week, weather permitting.',
            'The archive holds {number} letters, most of them about a {adjective} {thing}.',
            'It took {person} {number} days to draw the {thing}, and one more to find the error.',
            'There is a {adjective} bridge near {place} that appears on no plan before {year}.',
            'Records from {year} mention the {thing} twice; {person} thinks both are mistakes.',
            '"Keep the {thing} dry," wrote {person}, "and the rest will look after itself."',
            'By the end of {month}, {place} had more {thing}s than households.',
            'The museum label calls it {adjective}; the people of {place} call it the {thing}.',
            'Between {year} and {year} the price of a {thing} hardly moved.',
            'On quiet evenings {person} tunes the {thing} by ear and writes the result on the door.',
        ],
        'de' => [
            'Im {month} {year} stand {person} mit {number} Kisten vor dem Rathaus von {place}.',
            'Die Werkstatt in {place} öffnet nur, wenn {person} den Schlüssel findet.',
            'Seit {year} zählt der Verein die Störche, zuletzt waren es {number}.',
            'Über die alte Mühle bei {place} gibt es mehr Geschichten als Akten.',
            '{person} schrieb {number} Seiten über das Wetter und keine über die Ernte.',
            'Für den Umbau brauchte man schließlich {number} Tage und größere Türen.',
        ],
        'es' => [
            'En {place}, {person} guarda {number} cuadernos sobre la lluvia.',
            'El taller cerró en {year} y nadie supo dónde quedaron las herramientas.',
            'Según {person}, el camino a {place} era más corto antes de {year}.',
            'La feria reunió {number} puestos, aunque el cartel anunciaba el doble.',
            'Aquella mañana el río bajaba despacio y {person} volvió a contar los barcos.',
        ],
        'fr' => [
            'À {place}, {person} a classé {number} cartes postales par couleur.',
            "L'atelier fut rouvert en {year}, sans bruit et sans enseigne.",
            'Depuis {year}, on compte {number} ruches derrière la vieille école.',
            "{person} préfère la route de {place}, plus longue mais mieux ombragée.",
            "Le marché d'été se tient là où passait autrefois le canal.",
        ],
    ];
    private const WORDS = [
        'thing' => ['lantern', 'ledger', 'compass', 'weathervane', 'barometer', 'loom', 'kettle', 'sundial', 'anvil',
            'telescope', 'harmonium', 'ladder', 'signal lamp', 'bellows', 'printing plate', 'rowing boat'],
        'place' => ['Alderwick', 'Port Ansel', 'Monte Cerro', 'Lindau Ost', 'Quillhaven', 'Sankt Brix', 'Vellamo',
            'Harrow Quay', 'Dunmarrow', 'Casa Verde', 'Nordby', 'Tressel'],
        'person' => ['Ines Okafor', 'Tomas Reuel', 'Mirela Dant', 'Old Harkness', 'Yuki Brandt', 'Femke Solano',
            'Dr. Pell', 'Anselm Roux', 'Noor Vance', 'Piet Larkin'],
        'adjective' => ['crooked', 'narrow', 'well-kept', 'half-forgotten', 'brass', 'salt-stained', 'borrowed',
            'unlabelled', 'sturdy', 'pale green'],
        'season' => ['spring', 'summer', 'autumn', 'winter'],
        'month' => ['January', 'March', 'April', 'June', 'August', 'September', 'November'],
    ];

    public function __construct(private int $state)
    {
        // Neighbouring seeds give near-equal first numbers; a few rounds part them.
        for ($i = 0; $i < 4; $i++) {
            $this->below(2);
        }
    }

    // Own generator: rand() may change between PHP versions, the seed must not.
    public function below(int $limit): int
    {
        $this->state = ($this->state * 1103515245 + 12345) & 0x7fffffff;
        return ($this->state >> 8) % $limit;
    }

    public function pick(array $items): string
    {
        return $items[$this->below(count($items))];
    }

    public function sentence(string $language): string
    {
        return preg_replace_callback('/\{(\w+)\}/', fn ($match) => match ($match[1]) {
            'number' => (string) (3 + $this->below(940)),
            'year' => (string) (1790 + $this->below(230)),
            default => $this->pick(self::WORDS[$match[1]]),
        }, $this->pick(self::TEMPLATES[$language]));
    }

    public function paragraph(string $language): string
    {
        $sentences = [];
        for ($i = 3 + $this->below(4); $i > 0; $i--) {
            $sentences[] = $this->sentence($language);
        }
        return implode(' ', $sentences);
    }

    public function title(): string
    {
        return ucfirst($this->pick(self::WORDS['adjective'])) . ' ' . $this->pick(self::WORDS['thing']) . ' of '
            . $this->pick(self::WORDS['place']);
    }

    public function body(string $language, string $mark): string
    {
        $blocks = [];
        $count = 3 + $this->below(6);
        for ($i = 0; $i < $count; $i++) {
            $text = esc_html($this->paragraph($language));
            $blocks[] = match ($i === 0 ? 0 : $this->below(10)) {
                7 => "<!-- wp:heading -->\n<h2>" . esc_html($this->title()) . "</h2>\n<!-- /wp:heading -->",
                8 => "<!-- wp:quote -->\n<blockquote class=\"wp-block-quote\"><p>$text</p></blockquote>\n<!-- /wp:quote -->",
                9 => "<!-- wp:list -->\n<ul><li>" . str_replace('. ', '.</li><li>', $text) . "</li></ul>\n<!-- /wp:list -->",
                default => "<!-- wp:paragraph -->\n<p>$text</p>\n<!-- /wp:paragraph -->",
            };
        }
        $blocks[] = "<!-- wp:paragraph -->\n<p>Shelf mark $mark.</p>\n<!-- /wp:paragraph -->";
        return implode("\n\n", $blocks);
    }
}

/**
 * Inserts $count published posts straight into the tables and returns their ids. Each carries its own
 * shelf mark (QX-0001 …), so that a lost or doubled document can be named. $stamp(k) gives the local date
 * and modification of the k-th post.
 */
function wpx_generate(int $count, callable $stamp, array $authors = [1]): array
{
    global $wpdb;
    $id = (int) $wpdb->get_var("SELECT MAX(ID) FROM $wpdb->posts");
    $mark = (int) $wpdb->get_var(
        "SELECT MAX(CAST(SUBSTRING(post_name, 4) AS UNSIGNED)) FROM $wpdb->posts WHERE post_name LIKE 'qx-%'"
    );
    $terms = [];
    foreach (['category', 'post_tag'] as $taxonomy) {
        $terms[$taxonomy] = $wpdb->get_col(
            $wpdb->prepare("SELECT term_taxonomy_id FROM $wpdb->term_taxonomy WHERE taxonomy = %s ORDER BY 1", $taxonomy)
        );
    }
    $quote = fn ($value) => "'" . mysqli_real_escape_string($wpdb->dbh, (string) $value) . "'";
    $ids = $posts = $links = [];
    for ($k = 0; $k < $count; $k++) {
        $id++;
        $mark++;
        $text = new WpxText($mark * 7919);
        $shelf = sprintf('QX-%04d', $mark);
        $language = ['en', 'en', 'en', 'de', 'en', 'es', 'en', 'fr'][$mark % 8];
        $title = $text->title() . " ($shelf)";
        [$date, $modified] = $stamp($k);
        $posts[] = '(' . implode(',', array_map($quote, [$id, $authors[$mark % count($authors)], $date,
            get_gmt_from_date($date), $text->body($language, $shelf), $title, '', 'publish', 'open', 'open',
            strtolower($shelf), $modified, get_gmt_from_date($modified), home_url("/?p=$id"), 'post', '', '', ''])) . ')';
        $links[] = "($id," . $terms['category'][$mark % count($terms['category'])] . ')';
        if ($mark % 3 === 0 && $terms['post_tag']) {
            $links[] = "($id," . $terms['post_tag'][$mark % count($terms['post_tag'])] . ')';
        }
        $ids[] = $id;
        if (count($posts) === 250 || $k === $count - 1) {
            // mysqli directly: $wpdb re-checks the encoding of every long query, which takes longer than the rest.
            mysqli_query($wpdb->dbh, "INSERT INTO $wpdb->posts (ID, post_author, post_date, post_date_gmt,
                post_content, post_title, post_excerpt, post_status, comment_status, ping_status, post_name,
                post_modified, post_modified_gmt, guid, post_type, to_ping, pinged, post_content_filtered)
                VALUES " . implode(',', $posts)) or throw new RuntimeException(mysqli_error($wpdb->dbh));
            mysqli_query($wpdb->dbh, "INSERT INTO $wpdb->term_relationships (object_id, term_taxonomy_id) VALUES "
                . implode(',', $links)) or throw new RuntimeException(mysqli_error($wpdb->dbh));
            $posts = $links = [];
        }
    }
    wpx_recount();
    return $ids;
}

function wpx_recount(): void
{
    global $wpdb;
    $wpdb->query("UPDATE $wpdb->term_taxonomy t SET count = (SELECT COUNT(*) FROM $wpdb->term_relationships r
        JOIN $wpdb->posts p ON p.ID = r.object_id
        WHERE r.term_taxonomy_id = t.term_taxonomy_id AND p.post_status = 'publish')");
    wp_cache_flush();
}
