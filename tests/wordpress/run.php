<?php
// Runs the PHP code on standard input with WordPress loaded, as the administrator.
define('WP_DISABLE_FATAL_ERROR_HANDLER', true);
$_SERVER += ['HTTP_HOST' => preg_replace('#^https?://#', '', getenv('WPX_URL')), 'REQUEST_URI' => '/',
    'REQUEST_METHOD' => 'GET', 'REMOTE_ADDR' => '127.0.0.1', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
require getenv('WPX_ROOT') . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
add_filter('wp_die_handler', fn () => function ($message) {
    fwrite(STDERR, is_wp_error($message) ? $message->get_error_message() : (string) $message);
    exit(1);
});
wp_set_current_user(1);
eval(stream_get_contents(STDIN));
