//go:build !unix

package git

import "os"

// lockFile does nothing: the controller runs on unix only.
func lockFile(*os.File) error { return nil }
