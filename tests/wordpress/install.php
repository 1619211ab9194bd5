<?php
// Creates the tables and the administrator (admin / password); the content comes from seed.php.
define('WP_INSTALLING', true);
$_SERVER += ['HTTP_HOST' => parse_url(getenv('WPX_URL'), PHP_URL_HOST), 'REQUEST_URI' => '/'];
function wp_new_blog_notification(): void
{
    // The real one sends a mail.
}
require getenv('WPX_ROOT') . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install('Wpx & Test <Site>', 'admin', 'admin@example.com', true, '', 'password');
