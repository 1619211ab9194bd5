<?php
// Fills an installed WordPress with the test site. Deterministic: fixed dates, fixed order of ids.
// Runs inside run.php, so WordPress and its admin functions are loaded.
global $wpdb, $wp_rewrite;
require_once __DIR__ . '/generate.php';

/** One row of wp_posts with exactly the given columns; wp_insert_post() would correct what is meant to be odd. */
function wpx_post(array $post): int
{
    global $wpdb;
    $date = $post['date'] ?? '2016-05-02 10:00:00';
    $modified = $post['modified'] ?? $date;
    $wpdb->insert($wpdb->posts, [
        'post_author' => $post['author'] ?? 1, 'post_date' => $date,
        'post_date_gmt' => $post['date_gmt'] ?? get_gmt_from_date($date), 'post_modified' => $modified,
        'post_modified_gmt' => $post['modified_gmt'] ?? $post['date_gmt'] ?? get_gmt_from_date($modified),
        'post_title' => $post['title'], 'post_content' => $post['content'] ?? '', 'post_excerpt' => $post['excerpt'] ?? '',
        'post_status' => $post['status'] ?? 'publish', 'post_type' => $post['type'] ?? 'post',
        'post_name' => $post['slug'], 'post_password' => $post['password'] ?? '',
        'post_parent' => $post['parent'] ?? 0, 'menu_order' => $post['menu_order'] ?? 0,
        'comment_status' => $post['comment_status'] ?? 'open', 'ping_status' => 'open',
        'post_mime_type' => $post['mime'] ?? '', 'to_ping' => '', 'pinged' => '', 'post_content_filtered' => '',
    ]) or throw new RuntimeException("$post[slug]: $wpdb->last_error");
    $id = $wpdb->insert_id;
    $wpdb->update($wpdb->posts, ['guid' => $post['guid'] ?? home_url("/?p=$id")], ['ID' => $id]);
    $type = $post['type'] ?? 'post';
    if ($type === 'post') {
        wp_set_object_terms($id, $post['categories'] ?? ['uncategorized'], 'category');
        wp_set_object_terms($id, $post['tags'] ?? [], 'post_tag');
    }
    if (isset($post['thumbnail'])) {
        add_post_meta($id, '_thumbnail_id', $post['thumbnail']);
    }
    foreach ($post['meta'] ?? [] as $key => $value) {
        add_post_meta($id, $key, wp_slash($value));
    }
    if (!empty($post['sticky'])) {
        stick_post($id);
    }
    return $id;
}

/** A small real picture (or document) in the uploads folder, with the sizes WordPress cuts from it. */
function wpx_media(int $i): int
{
    $file = match ($i) {
        12 => 'tide-table.pdf',
        13 => 'draft-picture.png',
        11 => 'notes.txt',
        default => sprintf('picture-%02d.%s', $i, $i % 2 ? 'jpg' : 'png'),
    };
    $folder = wp_upload_dir('2016/05')['path'];
    $path = "$folder/$file";
    if (str_ends_with($file, '.txt')) {
        file_put_contents($path, "Rope, lamp oil, dry matches.\n");
    } elseif (str_ends_with($file, '.pdf')) {
        file_put_contents($path, "%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
            . "trailer<</Root 1 0 R>>\n%%EOF\n");
    } else {
        $picture = imagecreatetruecolor(480 + 20 * $i, 360);
        for ($x = 0; $x < imagesx($picture); $x += 20) {
            $colour = imagecolorallocate($picture, ($x * 7 + $i * 40) % 256, ($x * 3) % 256, ($i * 70) % 256);
            imagefilledrectangle($picture, $x, ($x * $i) % 120, $x + 19, 359, $colour);
        }
        str_ends_with($file, '.png') ? imagepng($picture, $path) : imagejpeg($picture, $path, 80);
    }
    $id = wpx_post(['type' => 'attachment', 'status' => 'inherit', 'slug' => pathinfo($file, PATHINFO_FILENAME),
        'title' => ucfirst(str_replace('-', ' ', pathinfo($file, PATHINFO_FILENAME))),
        'excerpt' => $i % 3 ? "Caption <em>number</em> $i & more" : '', 'content' => $i % 4 ? '' : "Description of file $i.",
        'mime' => wp_check_filetype($file)['type'], 'guid' => wp_upload_dir('2016/05')['url'] . "/$file",
        'date' => sprintf('2016-05-%02d 09:00:00', $i + 1), 'author' => 1 + $i % 3]);
    update_attached_file($id, $path);
    wp_update_attachment_metadata($id, wp_generate_attachment_metadata($id, $path));
    if ($i % 5 !== 4) {
        update_post_meta($id, '_wp_attachment_image_alt', "Alt text $i: stripes & \"bars\"");
    }
    return $id;
}

function wpx_comment(int $post, int $parent, int $n, array $more = []): int
{
    global $wpdb;
    $date = date('Y-m-d H:i:s', strtotime('2019-01-10 08:00:00 UTC') + $n * 3600);
    $wpdb->insert($wpdb->comments, $more + ['comment_post_ID' => $post, 'comment_parent' => $parent,
        'comment_author' => ['Ada', "Bo O'Neill", 'Çelik', '李雷'][$n % 4], 'comment_author_email' => "reader$n@example.com",
        'comment_author_url' => $n % 5 ? '' : 'https://example.com/reader', 'comment_author_IP' => '192.0.2.' . $n,
        'comment_date' => $date, 'comment_date_gmt' => get_gmt_from_date($date),
        'comment_content' => "Comment number $n: I <em>agree</em> & add that the clock is slow.",
        'comment_approved' => '1', 'comment_type' => 'comment', 'comment_agent' => 'Reader/1.0'])
        or throw new RuntimeException($wpdb->last_error);
    return $wpdb->insert_id;
}

update_option('timezone_string', 'America/Chicago');
update_option('gmt_offset', '');
update_option('blogdescription', 'Tides, ropes & "other" matters');
update_option('permalink_structure', '/%year%/%monthnum%/%postname%/');
$wp_rewrite->init();

// --- users: 1 admin, 2-4 with posts, 5 and 6 without
foreach ([['femke', 'Femke Solano', 'editor'], ['noor', 'Noor <Vance> & Co', 'author'], ['jose', 'José Ñandú', 'author'],
    ['quiet', 'Quiet Contributor', 'contributor'], ['reader', 'Only Reads', 'subscriber']] as [$login, $name, $role]) {
    $user = wp_insert_user(['user_login' => $login, 'user_pass' => 'password', 'user_email' => "$login@example.com",
        'display_name' => $name, 'role' => $role, 'description' => "About $login.", 'user_registered' => '2016-01-01 00:00:00']);
    if (is_wp_error($user)) {
        throw new RuntimeException($user->get_error_message());
    }
}
$wpdb->update($wpdb->users, ['user_registered' => '2016-01-01 00:00:00'], ['ID' => 1]);

// --- terms: 17 categories up to four deep (Uncategorized included), 13 tags
$tree = ['Harbours' => ['Locks' => ['Lock gates' => ['Sluices' => []], 'Lock keepers' => []], 'Quays' => [], 'Cranes' => []],
    'Maps & Charts' => ['Sea charts' => ['Depths' => []], 'Town plans' => []], 'R&D' => [], 'Wetter' => ['Nebel' => []], '日本語' => [], 'Empty shelf' => []];
$grow = function (array $tree, int $parent) use (&$grow) {
    foreach ($tree as $name => $children) {
        $grow($children, wp_insert_term($name, 'category', ['parent' => $parent, 'description' => "All about $name."])['term_id']);
    }
};
$grow($tree, 0);
foreach (['Tides', 'Ropes', 'Fog', 'Languages', 'C++', 'Don\'t panic', 'ÜberTag', '安全', 'Q&A', 'fish/chips', 'Long weekend', 'Lamps', 'Unused'] as $tag) {
    wp_insert_term($tag, 'post_tag');
}

// --- media, then the posts that show them
$media = array_map('wpx_media', range(0, 13));
$block = wpx_post(['type' => 'wp_block', 'slug' => 'house-note', 'title' => 'House note', 'content' =>
    "<!-- wp:paragraph -->\n<p>This paragraph is shared between posts.</p>\n<!-- /wp:paragraph -->"]);
foreach ([1, 2, 3] as $id) {
    // Hello world, Sample page and the privacy draft carry the time of the installation.
    $wpdb->update($wpdb->posts, ['post_date' => '2016-01-01 08:00:00', 'post_date_gmt' => '2016-01-01 14:00:00',
        'post_modified' => '2016-01-01 08:00:00', 'post_modified_gmt' => '2016-01-01 14:00:00'], ['ID' => $id]);
}
$wpdb->update($wpdb->comments, ['comment_date' => '2016-01-01 08:30:00', 'comment_date_gmt' => '2016-01-01 14:30:00'], ['comment_ID' => 1]);

$ids = [];
foreach (require __DIR__ . '/posts.php' as $n => $post) {
    $date = date('Y-m-d H:i:s', strtotime('2016-06-01 09:00:00 UTC') + $n * 86400 * 9);
    $ids[$post['slug']] = wpx_post($post + ['date' => $date, 'author' => 1 + $n % 4]);
}
foreach ([0, 1, 2] as $i) {
    $wpdb->update($wpdb->posts, ['post_parent' => $ids['gallery']], ['ID' => $media[$i]]);
}

// --- generated posts: 130 share one second of modification, 20 another, 15 a date of publication
wpx_generate(300, function (int $k) {
    // Half of them are newer than the bulk edit: the ties then lie where the database changes its sort
    // algorithm between pages, which is what loses rows.
    $start = $k < 150 ? strtotime('2017-01-02 07:15:00 UTC') : strtotime('2024-06-01 07:15:00 UTC') - 150 * 5 * 86400;
    $date = $k >= 200 && $k < 215 ? '2021-06-15 12:00:00' : date('Y-m-d H:i:s', $start + $k * 5 * 86400 + $k % 60);
    $modified = match (true) {
        $k < 130 => '2024-03-15 09:30:00',
        $k < 150 => '2024-05-01 00:00:00',
        $k % 4 === 0 => date('Y-m-d H:i:s', strtotime("$date UTC") + 86400 * ($k % 50) + 61),
        default => $date,
    };
    return [$date, $modified];
}, [1, 2, 3, 4]);

// --- other statuses
$draft = wpx_post(['slug' => '', 'title' => 'An unfinished draft', 'status' => 'draft', 'date' => '2019-02-03 08:54:39',
    'date_gmt' => '0000-00-00 00:00:00', 'content' => 'Not ready.']);
$wpdb->update($wpdb->posts, ['post_parent' => $draft], ['ID' => $media[13]]);
wpx_post(['slug' => '', 'title' => 'Waiting for review', 'status' => 'pending', 'date' => '2019-02-04 08:00:00', 'author' => 5,
    'content' => 'Somebody should look at this.']);
wpx_post(['slug' => 'private-note', 'title' => 'A private note', 'status' => 'private', 'date' => '2019-02-05 08:00:00',
    'content' => 'Only for those who may.']);
$future = wpx_post(['slug' => 'scheduled-far', 'title' => 'Scheduled for another century', 'status' => 'future',
    'date' => '2099-01-01 00:00:00', 'modified' => '2019-02-06 08:00:00', 'content' => 'Patience.']);
wp_schedule_single_event(strtotime('2099-01-01 06:00:00 UTC'), 'publish_future_post', [$future]);
// Its hour has come, cron has not run: the first run_cron() publishes it, with an old modified.
$due = wpx_post(['slug' => 'scheduled-due', 'title' => 'Scheduled and due', 'status' => 'future',
    'date' => '2026-02-01 06:00:00', 'modified' => '2019-02-07 08:00:00', 'content' => 'Published by cron.']);
wp_schedule_single_event(strtotime('2026-02-01 12:00:00 UTC'), 'publish_future_post', [$due]);
wpx_post(['slug' => 'thrown-away__trashed', 'title' => 'Thrown away', 'status' => 'trash', 'date' => '2019-02-08 08:00:00',
    'content' => 'In the bin.', 'meta' => ['_wp_trash_meta_status' => 'publish', '_wp_trash_meta_time' => '1549634400',
        '_wp_desired_post_slug' => 'thrown-away']]);

// --- pages: eight published, Sample page included
$page = fn (string $slug, string $title, int $parent, int $order) => wpx_post(['type' => 'page', 'slug' => $slug,
    'title' => $title, 'parent' => $parent, 'menu_order' => $order, 'date' => "2016-02-0$order 10:00:00",
    'comment_status' => 'closed', 'content' => "<!-- wp:paragraph -->\n<p>$title: what a page says.</p>\n<!-- /wp:paragraph -->"]);
$about = $page('about', 'About & around', 0, 3);
$team = $page('team', 'The team', $about, 1);
$page('former-team', 'Former team', $team, 1);
$page('history', 'History', $about, 2);
$page('contact', 'Contact', 0, 1);
$page('imprint', 'Impressum', 0, 2);
$page('team-2', 'The other team', 0, 9);

// --- custom types
$cuisines = [];
foreach (['Coastal' => null, 'Smoked' => 'Coastal', 'Pickled' => 'Coastal', 'Mountain' => null, 'Rye & barley' => 'Mountain'] as $name => $parent) {
    $cuisines[$name] = wp_insert_term($name, 'cuisine', ['parent' => $parent ? $cuisines[$parent] : 0])['term_id'];
}
$text = new WpxText(4711);
for ($i = 1; $i <= 16; $i++) {
    $id = wpx_post(['type' => 'recipe', 'slug' => "recipe-$i", 'title' => "Recipe $i: " . $text->title(), 'author' => 1 + $i % 3,
        'content' => $text->body('en', "RC-$i"), 'date' => sprintf('2018-03-%02d 18:00:00', $i), 'thumbnail' => $media[$i % 10],
        'meta' => ['servings' => $i, 'minutes' => 5 * $i, 'source_note' => "Notebook \"$i\" & margin"]]);
    wp_set_object_terms($id, array_values($cuisines)[$i % count($cuisines)], 'cuisine');
}
for ($i = 1; $i <= 3; $i++) {
    wpx_post(['type' => 'event', 'slug' => "event-$i", 'title' => "Event $i", 'content' => 'All are welcome.',
        'date' => "2019-04-0$i 12:00:00", 'meta' => ['starts_at' => "2019-05-0{$i}T19:00:00"]]);
}
foreach ([1, 2] as $i) {
    wpx_post(['type' => 'memo', 'slug' => "memo-$i", 'title' => "Memo $i", 'content' => 'Not for REST.', 'date' => "2019-04-1$i 12:00:00"]);
}

// --- comments: 51 with the one that WordPress brings, four deep, some not public
$n = 0;
$thread = [];
foreach ([0, 1, 2, 3, 0, 5, 5, 0, 8, 9, 10, 0, 0, 13] as $parent) {
    $thread[] = wpx_comment($ids['many-comments'], $parent ? $thread[$parent - 1] : 0, ++$n);
}
$places = ['table', 'code', 'gallery', 'german', 'emoji', 'list', 'links'];
while ($n < 43) {
    $top = wpx_comment($ids[$places[$n % 7]], 0, ++$n);
    if ($n % 3 === 0) {
        wpx_comment($ids[$places[($n - 1) % 7]], $top, ++$n, ['user_id' => 2, 'comment_author' => 'Femke Solano']);
    }
}
wpx_comment($ids['password-protected'], 0, ++$n);
wpx_comment($ids['many-comments'], $thread[0], ++$n, ['comment_approved' => '0']);
wpx_comment($ids['table'], 0, ++$n, ['comment_approved' => '0']);
wpx_comment($ids['table'], 0, ++$n, ['comment_approved' => 'spam']);
wpx_comment($ids['table'], 0, ++$n, ['comment_approved' => 'trash']);
wpx_comment($ids['links'], 0, ++$n, ['comment_type' => 'pingback', 'comment_author' => 'Another site']);
while ($n < 50) {
    wpx_comment($ids['quotes'], 0, ++$n);
}
$wpdb->query("UPDATE $wpdb->posts p SET comment_count = (SELECT COUNT(*) FROM $wpdb->comments c
    WHERE c.comment_post_ID = p.ID AND c.comment_approved = '1')");
wpx_recount();
flush_rewrite_rules(false);
