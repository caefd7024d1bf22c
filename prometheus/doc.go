// Prometheus is a small Prometheus for tests: the loader of its configuration and its rules, the scraping, the storage, the query engine and the rule manager
// are Prometheus' own, as a library of a pinned version. It is a module of its own, so that nothing of that is a dependency of Fairlead.
//
//	$ bin/prometheus /tmp/p/prometheus.yml /tmp/p/data
//	server: http://127.0.0.1:41513
//	$ curl 'http://127.0.0.1:41513/query?query=up'
//	$ curl 'http://127.0.0.1:41513/api/v1/query?query=up'    # as a Prometheus answers
//	$ curl 'http://127.0.0.1:41513/rules'
//
// What it has not: service discovery (targets are static_configs), a web interface, notifications, remote storage. It runs until it is told to stop.
package main
