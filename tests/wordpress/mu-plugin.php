<?php
/*
 * Plugin Name: Types and blocks of the test site
 *
 * recipe: an ordinary custom type whose REST names differ from its own; event: its own REST namespace;
 * memo: public on the front end and in the sitemap, hidden from REST.
 */
add_action('init', function () {
    register_taxonomy('cuisine', ['recipe'], ['label' => 'Cuisines', 'public' => true, 'hierarchical' => true,
        'show_in_rest' => true, 'rest_base' => 'cuisines']);
    $supports = ['title', 'editor', 'author', 'excerpt', 'thumbnail', 'comments', 'custom-fields', 'revisions'];
    register_post_type('recipe', ['label' => 'Recipes', 'public' => true, 'has_archive' => true,
        'show_in_rest' => true, 'rest_base' => 'recipes', 'supports' => $supports,
        'taxonomies' => ['cuisine', 'post_tag']]);
    register_post_type('event', ['label' => 'Events', 'public' => true, 'show_in_rest' => true,
        'rest_namespace' => 'wpx/v1', 'supports' => $supports]);
    register_post_type('memo', ['label' => 'Memos', 'public' => true, 'show_in_rest' => false,
        'supports' => $supports]);
    foreach (['servings' => 'integer', 'minutes' => 'integer', 'source_note' => 'string'] as $key => $type) {
        register_post_meta('recipe', $key, ['type' => $type, 'single' => true, 'show_in_rest' => true]);
    }
    register_post_meta('event', 'starts_at', ['type' => 'string', 'single' => true, 'show_in_rest' => true]);
    add_shortcode('wpx_box', fn ($attributes, $content = '') =>
        '<div class="wpx-box"><strong>' . esc_html($attributes['title'] ?? 'Note') . '</strong> '
        . do_shortcode($content) . '</div>');
});
add_filter('pre_wp_mail', '__return_false');
