// Package schema says what a manifest may hold: the fields of Kubernetes' own kinds for each version that is known, those of custom kinds from their
// CustomResourceDefinitions, and when a version of a kind came and went. It needs no cluster and no network.
//
//	catalog, err := schema.Builtin("1.36")
//	kind, ok := catalog.Find(object.ParseGVK("apps/v1", "Deployment"))
//	for _, p := range schema.Validate(kind.Schema, content) {
//		// spec.template.spec.contaners: unknown field, did you mean "containers"?
//	}
//
// What it knows of Kubernetes is in data/, some 100 KB of text: written by internal/gen/schemas from the OpenAPI documents, Go types and life-cycle marks that
// Kubernetes publishes, each line once for all the versions that have it.
//
// Why a validator of its own: API servers do not validate their own kinds by schemas, they decode them strictly into Go types, and what a library says of a
// schema knows neither unknown fields nor what was probably meant. For custom kinds the validator agrees with the one that API servers use, which a test holds.
//
// What it leaves to the API server: CEL rules, formats but for those that it names, and what Kubernetes checks in code.
//
// Invariants: it admits whatever an API server admits; null is an absent field; it never panics, whatever the schema and the object.
package schema
