// Package golden runs tests that are files: archives of what goes in, and of what is expected to come out.
//
//	func TestBatches(t *testing.T) {
//		golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
//			golden.Set(ar, "batches", show(order.Batches(parse(t, ar.Files[0]))))
//		})
//	}
//
// A test writes what it got over what was expected; if that changes the archive, it fails. With the flag -update it writes the archive to its file instead, and
// the difference is reviewed as a change of what the program promises.
//
// It is for tests only, and never skips: a pattern without a file fails the test.
package golden
