// Package registry fetches what is kept in registries: Helm charts, from OCI registries and from HTTP repositories with an index.yaml, and artifacts, which are
// sources beside Git.
//
//	charts := registry.KeepCharts(dir, registry.Options{})
//	chart, err := charts.Find(ctx, registry.Wish{URL: "https://charts.example.com", Name: "web", Version: "^1.2"})   // 1.4.0, sha256:…, its files
//	news, err := charts.Look(ctx, wishes)            // asks again: one request for all charts of a repository
//
//	m, err := registry.OpenMirror(dir, "oci://ghcr.io/shop/config", registry.Options{})
//	found, err := m.Resolve(ctx, access, []source.Ref{{SemVer: ">=1.0"}})   // a tag and a digest
//
//	OCI registry      ──tags, manifest, layer──▶┐
//	                                            ├─▶ verified by digest, signature ──▶ blobs by digest ──▶ archive.Tree
//	HTTP repository ──index.yaml, .tgz, .prov──▶┘                                    records: what was asked, what it came to
//
// What was fetched once is not fetched again: blobs are kept by digest, and what a version or a range came to is recorded beside them. A record answers for as
// long as nobody looks again, and whatever goes wrong then, it goes on answering: an error, or an index without the chart, changes nothing. An exact version
// is looked up once; ranges are for [Charts.Look].
//
// The directory is a cache: bounded, written atomically, and read with suspicion. Whatever is damaged in it is fetched again, by the digest that was recorded.
//
// Invariants: no byte is used whose digest is not the one that was named or recorded; where a signature is asked for, nothing is used without it; credentials
// are never printed, and go to the host of the address that they are for, or where the registry sends its clients for a token; every answer is bounded.
//
// The client is that of oras.land/oras-go: it links three modules, bounds what it reads, follows no pages without end, and gives credentials to no host that a
// registry may not name.
package registry
