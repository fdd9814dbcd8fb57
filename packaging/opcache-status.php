<?php
// What Kurado's plugin opcache asks for: OPcache's state as JSON. Put it where the web server that
// runs your PHP finds it, for the monitoring host alone: by default Kurado asks port 82 for
// /opcache-status.php. It must run in the PHP that it tells of, as each has an OPcache of its own.
// 'statictics' is spelt so, as the plugin has always read it.
$status = function_exists('opcache_get_status') ? opcache_get_status(false) : false;
if ($status === false) {
    // The reason stands in the status line, where Kurado reads it.
    header($_SERVER['SERVER_PROTOCOL'] . ' 503 OPcache is off, or opcache.restrict_api keeps this script out');
    exit;
}
$directives = opcache_get_configuration()['directives'];
header('Content-Type: application/json');
echo json_encode([
    'statictics' => $status['opcache_statistics'],
    'interned_strings_usage' => $status['interned_strings_usage'] ?? null,
    'memory_usage' => $status['memory_usage'],
    'config' => [
        'max_accelerated_files' => $directives['opcache.max_accelerated_files'],
        'interned_strings_max' => $directives['opcache.interned_strings_buffer'],
        'max_file_size' => $directives['opcache.max_file_size'],
        'memory_max' => $directives['opcache.memory_consumption'],
    ],
]), "\n";
