// Package registrytest is for tests of what reads registries: [Server], an OCI registry and an HTTP repository of charts at one address, and what fills any
// registry: charts as helm push lays them out, artifacts as flux push artifact and oras push do, signatures as cosign makes them.
//
// It is imported by tests only.
package registrytest
