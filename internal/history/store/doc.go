// Package store keeps the records of package history in a database, SQLite or PostgreSQL, as one chain.
//
//	s, err := store.Create(ctx, "postgres://fairlead@db/fairlead") // or a path, for SQLite
//	added, err := s.Append(ctx, records)
//	for r, err := range s.Find(ctx, history.Query{Environments: []string{"production"}, From: yesterday}) { … }
//
// Both databases are used in the same way, by the same SQL but for what dialect.go says. Each record is a row: its line, as package history prints it, and a
// few columns to find it by, which are held to the line whenever it is read. The end of the chain is a row of its own, which who appends locks: so several
// processes may, and what was removed from the end shows.
//
// Invariant: what Append returned is stored, whatever happens to the process or the machine then, and what it did not return is stored whole or not at all.
// Invariant: a key is stored once.
package store
