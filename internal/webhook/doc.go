// Package webhook verifies a push webhook and reads which refs of which repository it is about.
//
//	push, err := webhook.Parse(r.Header, body, secret)
//
// A webhook says only "look now": whoever gets a [Push] asks the Git server itself what is there. So what it cannot
// read costs a look too many, never a wrong deployment.
//
// It never reads a body that is not verified, and never answers a request: package server does.
//
// Invariant: without a secret nothing is accepted.
package webhook
