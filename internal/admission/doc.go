// Package admission keeps the policies of Block mode in an API server: what package block makes is made, held to be as it was made, and deleted.
//
//	s := admission.Open(client)
//	go s.Follow(ctx, changed, trouble)
//	err := s.Set(ctx, env, block.Policies(of)) // nil: there are to be none
//
// It follows the policies that carry its label, whoever changes or deletes them, and those whose Environment went while nobody looked: each tells of the
// Environment that it names.
//
// Invariants:
//   - Nothing is written that is as it should be already: an Environment that does not change costs no request.
//   - A binding never exists longer than its policy.
package admission
