// Package order says what must come before what: the [Batch]es of one app's objects, and cycles between apps.
//
// A batch is what may be applied at once; the next one waits until it is healthy. Within a batch, tiers are applied one after the
// other without waiting, so that what the API server looks up at admission (a ServiceAccount, a Role, a PriorityClass) is there, and
// what could refuse everything else (an admission webhook) comes last.
//
//	batch 0   Early    Namespaces, CustomResourceDefinitions
//	batch 1   wave -1  tier 3: ServiceAccount …   tier 7: Job …
//	batch 2   wave 0   tier 4: ConfigMap …        tier 7: Deployment …
//
// It never looks at a cluster and knows nothing of health.
//
// Invariant: every object is in exactly one batch, and the result does not depend on the order of the input.
package order
