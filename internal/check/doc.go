// Package check finds what is wrong with rendered apps before any cluster sees them: what an API server would refuse, and what it would take though it cannot
// work, such as a reference to a ConfigMap that does not exist.
//
//	findings := check.Run(check.Input{Apps: apps, Catalog: catalog, Config: config})
//	findings[0] // apps/web/deployment.yaml:14:9 unknown-field Deployment shop/web: spec.template.spec.contaners …
//
// A rule is a name, a sentence and a function of one object: see Rules. Its findings are errors where an API server would refuse the object, or where it can
// never work; warnings where it cannot work unless something outside of the tree helps; notes where a person may want to look.
//
// Invariants:
//   - What an API server admits and what works is no error. Where something may be made by a controller, by hand or by another repository, silence is better
//     than a finding that is not true: see made.
//   - Equal inputs give equal findings, in the order of their places.
//   - No value of a Secret is in a finding.
package check
