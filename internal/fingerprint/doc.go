// Package fingerprint tells from a live object alone whether somebody changed what Fairlead applied, and who.
//
// After an apply the API server answers with the object and its managedFields: which manager owns which field. The values of the
// fields that Fairlead owns, hashed, are the [Print]. A later print that differs is drift. Because both sides are the
// server's own answer, no defaulting, no spelling of a quantity and no mutating webhook can look like a change; and because the server takes a field away
// from its owner when somebody else changes it, no change can hide.
//
// It never sends a request, never reads a clock and never shows a value.
//
// Invariant: Of(o) is equal for two answers of the server exactly when Fairlead owns the same fields with the same values in both.
package fingerprint
