<?php
// Router for PHP's built-in server: what a web server's rewrite rules do for WordPress.
// With a router, the server itself logs connections only.
register_shutdown_function(fn () => file_put_contents('php://stderr',
    sprintf("[%d]: %s %s\n", http_response_code(), $_SERVER['REQUEST_METHOD'], $_SERVER['REQUEST_URI'])));
$wpx_path = rawurldecode(strtok($_SERVER['REQUEST_URI'], '?') ?: '/');
$wpx_root = $_SERVER['DOCUMENT_ROOT'];
if (str_contains($wpx_path, '..') || str_contains($wpx_path, "\0")) {
    http_response_code(400);
    exit('Bad request');
}
if (str_starts_with($wpx_path, '/wp-content/')) {
    // The content directory belongs to the instance and lies outside the document root.
    $wpx_file = getenv('WPX_CONTENT') . substr($wpx_path, strlen('/wp-content'));
    if (is_file($wpx_file) && !str_ends_with($wpx_file, '.php')) {
        $wpx_types = ['css' => 'text/css', 'js' => 'text/javascript', 'svg' => 'image/svg+xml',
            'woff2' => 'font/woff2', 'txt' => 'text/plain', 'pdf' => 'application/pdf'];
        $wpx_type = $wpx_types[pathinfo($wpx_file, PATHINFO_EXTENSION)] ?? mime_content_type($wpx_file);
        header('Content-Type: ' . $wpx_type);
        header('Content-Length: ' . filesize($wpx_file));
        readfile($wpx_file);
        exit;
    }
}
$wpx_file = $wpx_root . rtrim($wpx_path, '/');
if (is_dir($wpx_file) && $wpx_path !== '/' && is_file("$wpx_file/index.php")) {
    if (!str_ends_with($wpx_path, '/')) {
        header("Location: $wpx_path/", true, 301);
        exit;
    }
    $wpx_path .= 'index.php';
    $wpx_file .= '/index.php';
}
if ($wpx_path !== '/' && is_file($wpx_file) && !str_ends_with($wpx_file, '.php')) {
    return false;
}
unset($_SERVER['PATH_INFO']);
if ($wpx_path === '/' || !is_file($wpx_file)) {
    if (str_starts_with($wpx_path, '/index.php/')) {
        $_SERVER['PATH_INFO'] = substr($wpx_path, strlen('/index.php'));
    }
    $wpx_path = '/index.php';
    $wpx_file = "$wpx_root/index.php";
}
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = $wpx_path;
$_SERVER['SCRIPT_FILENAME'] = $wpx_file;
chdir(dirname($wpx_file));
require $wpx_file;
