<?php
// One configuration for every instance; what differs comes from the environment, so the unpacked
// WordPress tree is shared and never written to.
define('DB_NAME', 'wordpress');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:' . getenv('WPX_SOCKET'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');

define('WP_CONTENT_DIR', getenv('WPX_CONTENT'));
if (is_file(WP_CONTENT_DIR . '/network.php')) {
    require WP_CONTENT_DIR . '/network.php';
} else {
    // In a network these would be the addresses of all its sites.
    define('WP_HOME', getenv('WPX_URL'));
    define('WP_SITEURL', getenv('WPX_URL'));
}
define('WP_DEFAULT_THEME', getenv('WPX_THEME'));

// "local" makes application passwords work over plain http.
define('WP_ENVIRONMENT_TYPE', 'local');
define('DISABLE_WP_CRON', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISALLOW_FILE_MODS', true);
// Without this each oEmbed or update check waits for a network that tests must not touch.
define('WP_HTTP_BLOCK_EXTERNAL', true);
// A cached snapshot may be months old: cron must not empty the seeded trash.
define('EMPTY_TRASH_DAYS', 36500);
define('WP_DEBUG', false);

foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $wpx_name) {
    define($wpx_name . '_KEY', "loopback tests only: $wpx_name key");
    define($wpx_name . '_SALT', "loopback tests only: $wpx_name salt");
}
$table_prefix = 'wp_';
require_once ABSPATH . 'wp-settings.php';
